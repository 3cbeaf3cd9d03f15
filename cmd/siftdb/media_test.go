package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/media"
)

// upload sends files to an entry of data source 1, and returns the answer; nil when the server went.
func (s *server) upload(content io.Reader) map[string]any {
	s.t.Helper()
	in, out := io.Pipe()
	form := multipart.NewWriter(out)
	go func() {
		var err error
		for _, name := range []string{"a", "b"} {
			var part io.Writer
			if err == nil {
				part, err = form.CreateFormFile(name, name+".bin")
			}
			if err == nil {
				_, err = io.Copy(part, content)
			}
			content = strings.NewReader("second")
		}
		if err == nil {
			err = form.Close()
		}
		out.CloseWithError(err)
	}()
	r, err := http.NewRequest("PUT", s.url+"/v1/data-sources/1/data", in)
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Content-Type", form.FormDataContentType())
	r.Header.Set("Auth-token", s.token)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil
	}
	defer resp.Body.Close()
	var answer map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || resp.StatusCode != http.StatusCreated {
		return nil
	}
	return answer
}

// TestMediaDirectory keeps files over a restart.
func TestMediaDirectory(t *testing.T) {
	file, dir := filepath.Join(t.TempDir(), "m.db"), filepath.Join(t.TempDir(), "media")
	s := start(t, "serve", "--addr", "127.0.0.1:0", "--db", file, "--media", dir)
	s.ask(s.token, "POST", "/v1/data-sources", `{"name": "T", "organizationId": 1}`)
	answer := s.upload(strings.NewReader("first"))
	data, _ := answer["data"].(map[string]any)
	url, _ := data["a"].(string)
	if !strings.HasPrefix(url, "/v1/media/files/") {
		t.Fatalf("%v", answer)
	}
	if err := s.stop(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	s = start(t, "serve", "--addr", "127.0.0.1:0", "--db", file, "--media", dir)
	if status, body := s.ask(s.token, "GET", url, ""); status != 200 || body != "first" {
		t.Errorf("%d %s", status, body)
	}
	if err := s.stop(os.Interrupt); err != nil {
		t.Error(err)
	}
}

// TestKilledUploads kills the server in the middle of uploads: afterwards no entry and no record
// leads nowhere, and a sweep leaves no file without a record.
func TestKilledUploads(t *testing.T) {
	kills := 8
	if testing.Short() {
		kills = 2
	}
	file, dir := filepath.Join(t.TempDir(), "m.db"), filepath.Join(t.TempDir(), "media")
	for i := range kills {
		s := start(t, "serve", "--addr", "127.0.0.1:0", "--db", file, "--media", dir)
		if i == 0 {
			s.ask(s.token, "POST", "/v1/data-sources", `{"name": "T", "organizationId": 1}`)
			if s.upload(strings.NewReader("first")) == nil {
				t.Fatal("an upload fails")
			}
		}
		uploads := make(chan struct{})
		go func() {
			defer close(uploads)
			for s.upload(bytes.NewReader(make([]byte, 4<<20))) != nil {
			}
		}()
		time.Sleep(time.Duration(15+13*i) * time.Millisecond)
		_ = s.stop(syscall.SIGKILL)
		<-uploads
		checkFiles(t, file, dir)
	}
}

// checkFiles compares the entries, the records and the files of a database that nobody has open.
func checkFiles(t *testing.T, file, dir string) {
	t.Helper()
	ctx := context.Background()
	store, err := media.Dir(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	db, err := siftdb.Open(ctx, file, &siftdb.Options{Media: store})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.SweepMedia(ctx, -time.Hour); err != nil {
		t.Fatal(err)
	}
	files := 0
	for _, err := range store.List(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		files++
	}
	records, err := db.Files().List(ctx, siftdb.FileQuery{})
	if err != nil {
		t.Fatal(err)
	}
	for _, info := range records {
		f, _, err := db.Files().Open(ctx, info.ID)
		if err != nil || f.Info().Size != info.Bytes {
			t.Fatalf("file %d: %v", info.ID, err)
		}
		f.Close()
	}
	ds, err := db.DataSource(ctx, 1)
	if err != nil {
		t.Fatal(err)
	}
	n, err := ds.Count(ctx, siftdb.Query{})
	if err != nil {
		t.Fatal(err)
	}
	if files != len(records) || int64(files) != 2*n {
		t.Errorf("%d files, %d records, %d entries", files, len(records), n)
	}
	if report, err := db.Check(ctx); err != nil || report.Err() != nil {
		t.Error(fmt.Errorf("%w, %w", err, report.Err()))
	}
}
