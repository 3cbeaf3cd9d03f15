package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/siftdb/siftdb"
)

var update = flag.Bool("update", false, "rewrite testdata/output.golden")

// TestOutput compares the whole output with the golden file.
func TestOutput(t *testing.T) {
	var out bytes.Buffer
	if err := run(t.Context(), &out, ""); err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", "output.golden")
	if *update {
		if err := os.WriteFile(golden, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got := out.String(); got != string(want) {
		t.Errorf("the output is not that of %s; go test -update rewrites it. It is:\n%s", golden, got)
	}
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
