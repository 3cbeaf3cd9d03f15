package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/siftdb/siftdb"
)

// TestMaintenanceSendsNothing: what is to be sent is no business of compact and rotate.
func TestMaintenanceSendsNothing(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	file, keys := filepath.Join(dir, "app.db"), filepath.Join(dir, "keys.json")
	if err := os.WriteFile(keys, []byte(`{"current": "k", "keys": {"k": "`+strings.Repeat("07", 32)+`"}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	off := &siftdb.Options{Deliveries: siftdb.DeliveryOptions{Off: true}}
	db, err := siftdb.Open(ctx, file, off)
	if err != nil {
		t.Fatal(err)
	}
	ds, err := db.Create(ctx, siftdb.DataSourceSpec{Name: "A", Hooks: []byte(`[{"type":"sms","runOn":["insert"],"payload":{"to":"1","body":"x"}}]`)})
	if err != nil {
		t.Fatal(err)
	}
	const n = 50
	rows := make([]any, n)
	for i := range rows {
		rows[i] = siftdb.M{"a": i}
	}
	if _, err = ds.Append(ctx, rows); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"compact", "rotate", "check"} {
		if code, out, log := command(name, "--keys", keys, file); code != exitOK {
			t.Fatalf("%s: %d %s%s", name, code, out, log)
		}
		db, err := siftdb.Open(ctx, file, off)
		if err != nil {
			t.Fatal(err)
		}
		pending := 0
		for d, err := range db.Deliveries(ctx, siftdb.DeliveryFilter{}) {
			if err == nil && d.Tries == 0 && !d.Failed() {
				pending++
			}
		}
		if err := db.Close(); err != nil || pending != n {
			t.Errorf("after %s %d of %d are pending, %v", name, pending, n, err)
		}
	}
}

// TestServeLogsDeliveries: whoever runs the server learns what cannot be sent.
func TestServeLogsDeliveries(t *testing.T) {
	posix(t)
	s := start(t, "serve", "--addr", "127.0.0.1:0")
	s.must(s.token, "POST", "/v1/data-sources?organizationId=1", `{"name": "A", "hooks": [
		{"type": "sms", "runOn": ["insert"], "payload": {"to": "1", "body": "x"}},
		{"type": "web", "runOn": ["insert"], "payload": {"endpoint": "http://127.0.0.1:1/secret"}}]}`)
	s.must(s.token, "PUT", "/v1/data-sources/1/data", `{"a": 1}`)
	given := `msg="a delivery was given up" delivery=`
	again := `msg="a delivery failed, and is tried again" delivery=`
	for limit := time.Now().Add(20 * time.Second); time.Now().Before(limit); time.Sleep(20 * time.Millisecond) {
		if log := s.stderr.String(); strings.Contains(log, given) && strings.Contains(log, again) {
			break
		}
	}
	if err := s.stop(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	log := s.stderr.String()
	for _, part := range []string{given, again, ` dataSource=1 hook=0 type=sms tries=1 error="the host program has no sender of sms"`,
		` dataSource=1 hook=1 type=web tries=1 error="the web request failed: the address is not a public one"`} {
		if !strings.Contains(log, part) {
			t.Errorf("the log lacks %s:\n%s", part, log)
		}
	}
	if strings.Contains(log, "secret") {
		t.Error("the log tells of a secret")
	}
}
