package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/media"
)

// TestNodeClient runs a data-integration client in Node against the command, and looks at the file
// that it leaves.
func TestNodeClient(t *testing.T) {
	posix(t)
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("needs Node")
	}
	dir := t.TempDir()
	file, store, tokens := filepath.Join(dir, "app.db"), filepath.Join(dir, "media"), filepath.Join(dir, "tokens.json")
	list := `[{"id": 7, "token": "eu--dora", "organizationId": 123, "user": {"Email": "dora@example.org", "First Name": "Dora", "Last Name": "Data"}}]`
	if err := os.WriteFile(tokens, []byte(list), 0o600); err != nil {
		t.Fatal(err)
	}
	s := start(t, "serve", "--addr", "127.0.0.1:0", "--db", file, "--media", store, "--tokens", tokens)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, node, filepath.Join("testdata", "integration.mjs"), s.url, "eu--dora", "123").CombinedOutput()
	if strings.Contains(string(out), "fetch is not defined") {
		t.Skip("needs Node 18 or newer")
	}
	if err != nil || !strings.Contains(string(out), "done after") {
		t.Fatalf("the client fails: %v\n%s\n%s", err, out, s.stderr)
	}
	t.Logf("%s", out)
	if err := s.stop(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	if log := s.stderr.String(); log != "" {
		t.Errorf("the server logged %s", log)
	}
	checkIntegrated(t, file, store)
}

// checkIntegrated compares what the client left in a file with what it was told that it had done.
func checkIntegrated(t *testing.T, file, store string) {
	t.Helper()
	ctx := context.Background()
	bytes, err := media.Dir(store)
	if err != nil {
		t.Fatal(err)
	}
	defer bytes.Close()
	db, err := siftdb.Open(ctx, file, &siftdb.Options{Media: bytes})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for name, want := range map[string][]string{
		"Products": {
			`{"Sku":"A1","Name":"Anvil","Price":12.5,"Note":"kept by extend","Picture":"*","PictureMediaFileId":"*"}`,
			`{"Sku":"B2","Name":"Bolt","Price":2}`,
			`{"Sku":"D4","Name":"Dowel","Price":0.1,"Sizes":["S","M"]}`,
			`{"Sku":"E5","Name":"Eyelet","Manual":"*","ManualMediaFileId":"*"}`,
		},
		"Orders": {`{"Sku":"A1","Count":2,"Status":"open"}`, `{"Sku":"A1","Count":1,"Status":"open"}`,
			`{"Sku":"D4","Count":50,"Status":"sent"}`, `{"Sku":"A1","Count":2,"Status":"open"}`},
		"Keys": nil,
	} {
		ds, err := db.DataSourceByName(ctx, name, siftdb.Scope{})
		if err != nil {
			t.Error(err)
			continue
		}
		entries, err := ds.Find(ctx, siftdb.Query{})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range entries {
			text := string(e.JSON())
			for _, column := range []string{"Picture", "Manual"} {
				id, ok := e.Get(column + "MediaFileId").(float64)
				if !ok {
					continue
				}
				f, info, err := db.Files().Open(ctx, int64(id))
				if err != nil || info.URL != e.Get(column) {
					t.Errorf("%s: %v", text, err)
					continue
				}
				f.Close()
				text = strings.Replace(text, `:"`+info.URL+`"`, `:"*"`, 1)
				text = strings.Replace(text, `MediaFileId":`+strconv.Itoa(int(id)), `MediaFileId":"*"`, 1)
			}
			got = append(got, text)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s holds %q, want %q", name, got, want)
		}
	}
	if report, err := db.Check(ctx); err != nil || report.Err() != nil {
		t.Error(err, report.Err())
	}
}
