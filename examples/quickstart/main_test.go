package main

import (
	"bytes"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/examples/internal/golden"
)

// TestOutput compares the whole output with the golden file.
func TestOutput(t *testing.T) {
	golden.Check(t, func(out io.Writer) error { return run(t.Context(), out, "") })
}

// TestKeptFile runs the tour twice on one file, which must be sound afterwards.
func TestKeptFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cities.db")
	for i := range 2 {
		var out bytes.Buffer
		if err := run(t.Context(), &out, path); err != nil {
			t.Fatalf("run %d: %v", i+1, err)
		}
		if !strings.Contains(out.String(), "differ from before the commit: 0") {
			t.Errorf("run %d: the restore did not bring the state back:\n%s", i+1, out.String())
		}
	}
	db, err := siftdb.Open(t.Context(), path, &siftdb.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	report, err := db.Check(t.Context())
	if err == nil {
		err = report.Err()
	}
	if err != nil {
		t.Error(err)
	}
}
