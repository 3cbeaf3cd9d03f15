package main

import (
	"io"
	"testing"

	"github.com/siftdb/siftdb/examples/internal/golden"
)

// TestOutput compares the whole output with the golden file.
func TestOutput(t *testing.T) {
	golden.Check(t, func(out io.Writer) error { return run(t.Context(), out) })
}
