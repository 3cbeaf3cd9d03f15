package main

import (
	"io"
	"testing"

	"github.com/siftdb/siftdb/examples/internal/golden"
	"github.com/siftdb/siftdb/security/script"
)

// TestOutput compares the whole output with the golden file.
func TestOutput(t *testing.T) {
	if !script.Supported {
		t.Skip("there is no engine for this platform")
	}
	golden.Check(t, func(out io.Writer) error { return run(t.Context(), out) })
}
