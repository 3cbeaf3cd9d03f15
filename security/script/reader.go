package script

import (
	"context"
	"fmt"
	"math"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/security"
)

// Bounds of what a script may read.
const (
	maxFinds = 1000     // calls of one run
	maxPage  = 10_000   // limit of one call
	maxBytes = 16 << 20 // JSON text of what goes in, of one answer, and of what comes out
)

// find answers one call of find or findOne, as JSON text. The error is what the call rejects
// with.
func find(ctx context.Context, r security.ScriptReader, f *frame) ([]byte, error) {
	if len(f.parts) != 4 {
		return nil, errProtocol
	}
	if r == nil {
		return nil, fmt.Errorf("there are no data sources to read")
	}
	source, err := sourceOf(f.parts[0])
	if err != nil {
		return nil, err
	}
	where, err := document.Parse(f.parts[1], document.Limits{})
	if err != nil {
		return nil, fmt.Errorf("where: %w", err)
	}
	if where.Kind() != document.Object {
		return nil, fmt.Errorf("where must be an object")
	}
	limit, err := count("limit", f.parts[2], maxPage)
	if err != nil {
		return nil, err
	}
	offset, err := count("offset", f.parts[3], math.MaxInt32)
	if err != nil {
		return nil, err
	}
	entries, err := r.Find(ctx, source, where, limit, offset)
	if err != nil {
		return nil, err
	}
	text := []byte{'['}
	for i, e := range entries {
		if i > 0 {
			text = append(text, ',')
		}
		if text = document.AppendJSON(text, e); len(text) > maxBytes {
			return nil, fmt.Errorf("the entries are more than a script can be given")
		}
	}
	return append(text, ']'), nil
}

// sourceOf reads the id or name of a data source.
func sourceOf(text []byte) (any, error) {
	v, err := document.Parse(text, document.Limits{})
	if err == nil && v.Kind() == document.String {
		return string([]byte(v.Str())), nil
	}
	if f := v.Float(); err == nil && v.Kind() == document.Number && f >= 0 && f <= 1<<53 && f == math.Trunc(f) {
		return int64(f), nil
	}
	return nil, fmt.Errorf("a data source is asked for by its id or name")
}

// count reads a limit or an offset.
func count(what string, text []byte, most float64) (int, error) {
	v, err := document.Parse(text, document.Limits{})
	if f := v.Float(); err == nil && v.Kind() == document.Number && f >= 0 && f <= most && f == math.Trunc(f) {
		return int(f), nil
	}
	return 0, fmt.Errorf("%s must be a whole number from 0 to %d", what, int64(most))
}
