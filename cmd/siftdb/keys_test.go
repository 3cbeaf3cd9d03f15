package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// command runs a command in this process.
func command(args ...string) (code int, out, log string) {
	var stdout, stderr bytes.Buffer
	code = run(context.Background(), args, &stdout, &stderr)
	return code, stdout.String(), stderr.String()
}

// TestKeys encrypts a data source over REST, searches its file, rotates its keys and reads
// it with the new one alone.
func TestKeys(t *testing.T) {
	posix(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "app.db")
	write := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	one, two := strings.Repeat("11", 32), strings.Repeat("22", 32)
	first := write("first.json", `{"current": "one", "keys": {"one": "`+one+`"}}`)
	both := write("both.json", `{"current": "two", "keys": {"one": "`+one+`", "two": "`+two+`"}}`)
	second := write("second.json", `{"current": "two", "keys": {"two": "`+two+`"}}`)

	s := start(t, "serve", "--addr", "127.0.0.1:0", "--db", file, "--keys", first)
	s.must(s.token, "POST", "/v1/data-sources?organizationId=1", `{"name": "planted-name", "entries": [{"n": "planted-entry"}]}`)
	if text := s.must(s.token, "PUT", "/v1/data-sources/1", `{"encrypted": true}`); !strings.Contains(text, `"encrypted":true`) {
		t.Errorf("the answer is %s", text)
	}
	if raw, err := os.ReadFile(file); err != nil || bytes.Contains(raw, []byte("planted")) {
		t.Errorf("the file holds what is encrypted (%v)", err)
	}
	if err := s.stop(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}

	for _, step := range []struct {
		code int
		says string
		args []string
	}{
		{exitFailed, "encrypted data sources", []string{"check", file}},
		{exitOK, "1 entries", []string{"check", "--keys", first, file}},
		{exitFailed, `"one"`, []string{"check", "--keys", second, file}},
		{exitFailed, "encrypted data sources", []string{"compact", file}},
		{exitOK, "bytes", []string{"compact", "--keys", first, file}},
		{exitOK, "1 data sources", []string{"rotate", "--keys", both, file}},
		{exitFailed, `"two"`, []string{"check", "--keys", first, file}},
		{exitOK, "0 faults", []string{"check", "--keys", second, file}},
		{exitFailed, "missing", []string{"compact", filepath.Join(dir, "missing")}},
		{exitUsage, "one file", []string{"rotate", "--keys", both}},
		{exitUsage, "nokeys", []string{"check", "--nokeys", file}},
		{exitFailed, "64 hex", []string{"check", "--keys", write("bad.json", `{"current": "a", "keys": {"a": "secret"}}`), file}},
		{exitFailed, "16 bytes", []string{"check", "--keys", write("short.json", `{"current": "a", "keys": {"a": "`+one[:32]+`"}}`), file}},
		{exitFailed, "a key file is", []string{"check", "--keys", write("odd.json", `{"curent": "a"}`), file}},
		{exitFailed, "current key", []string{"check", "--keys", write("none.json", `{"current": "a", "keys": {}}`), file}},
	} {
		code, out, log := command(step.args...)
		if code != step.code || !strings.Contains(out+log, step.says) || strings.Contains(out+log, "secret") {
			t.Errorf("%s: %d %s%s", step.args, code, out, log)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "missing")); err == nil {
		t.Error("a command has made a file")
	}
}
