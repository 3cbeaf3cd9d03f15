package report

import (
	"errors"
	"strings"
	"testing"
)

func TestTable(t *testing.T) {
	var out strings.Builder
	r := New(&out)
	r.Heading("Cities")
	table := NewTable("Name", "people", "of")
	table.Add("Zürich", 341_730, "Zürich")
	table.Add("Ys", nil, nil)
	table.Add("Shanghai", 22315474.0, "China")
	table.Add("a debt", int64(-100_000), "x")
	r.Table(table)
	r.Indent("one\n  two\n")
	const want = `
1. Cities

   Name           people   of
   ----       ----------   --
   Zürich        341,730   Zürich
   Ys
   Shanghai   22,315,474   China
   a debt       -100,000   x
   one
     two
`
	if out.String() != want || r.Err() != nil || table.Len() != 4 {
		t.Errorf("error %v, %d rows, and\n%s", r.Err(), table.Len(), out.String())
	}
}

// full is a writer that takes nothing.
type full struct{ asked int }

var errFull = errors.New("full")

func (f *full) Write([]byte) (int, error) {
	f.asked++
	return 0, errFull
}

func TestErr(t *testing.T) {
	f := &full{}
	r := New(f)
	r.Say("one")
	r.Say("two")
	if !errors.Is(r.Err(), errFull) || f.asked != 1 {
		t.Errorf("error %v after %d writes", r.Err(), f.asked)
	}
}
