package main

import (
	"encoding/xml"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"
)

// TestAnswers runs every store through the workload at a small size: each must do every
// operation, and no answer may be wrong.
func TestAnswers(t *testing.T) {
	dir := t.TempDir()
	lib, err := newLibrary(dir, 3000)
	if err != nil {
		t.Fatal(err)
	}
	if lib.count == 0 || lib.contains == 0 || lib.joined == 0 || lib.updated == 0 || len(lib.page) != pageSize {
		t.Fatalf("the workload is too small to tell anything: %+v", lib)
	}
	var reports []report
	for _, e := range engines {
		r, err := measure(e.name, e.make(), lib, filepath.Join(dir, e.name), quick, true)
		if err != nil {
			t.Fatalf("%s: %v", e.name, err)
		}
		for _, op := range operations {
			switch x := r.result(op.name); {
			case x == nil:
				t.Errorf("%s has no result for %q", e.name, op.name)
			case x.Wrong != "":
				t.Errorf("%s, %s: %s", e.name, op.name, x.Wrong)
			case x.Time <= 0:
				t.Errorf("%s, %s took no time", e.name, op.name)
			}
		}
		if len(r.Results) != len(operations) || r.Disk == 0 {
			t.Errorf("%s has %d results for %d operations, and %d bytes on disk", e.name, len(r.Results), len(operations), r.Disk)
		}
		reports = append(reports, r)
	}
	text := comparison(reports)
	if strings.Contains(text, "WRONG") || !strings.Contains(text, "| count: ") {
		t.Errorf("the table is\n%s", text)
	}
}

// wrongStore answers one operation wrong.
type wrongStore struct{ boltStore }

func (s *wrongStore) contains(word string) (int, error) {
	n, err := s.boltStore.contains(word)
	return n + 1, err
}

// TestWrongAnswers makes sure that a wrong answer shows.
func TestWrongAnswers(t *testing.T) {
	dir := t.TempDir()
	lib, err := newLibrary(dir, 200)
	if err != nil {
		t.Fatal(err)
	}
	r, err := measure("wrong", &wrongStore{}, lib, filepath.Join(dir, "wrong"), quick, false)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range r.Results {
		if (x.Wrong != "") != (x.Op == "contains") {
			t.Errorf("%s: %q", x.Op, x.Wrong)
		}
	}
	if text := comparison([]report{r}); !strings.Contains(text, "WRONG") {
		t.Errorf("the table does not tell:\n%s", text)
	}
}

func TestCurves(t *testing.T) {
	var reports []report
	for i, n := range []int64{1000, 10_000} {
		for _, e := range engines {
			r := report{Store: e.name, N: n}
			for _, op := range operations[:5] {
				r.Results = append(r.Results, result{Op: op.name, Time: 100 << (4 * i)})
			}
			reports = append(reports, r)
		}
	}
	page, err := between([]byte("before\n<!-- curves: begin -->\nold\n<!-- curves: end -->\nafter\n"), "curves", curves(reports))
	if err != nil {
		t.Fatal(err)
	}
	text := string(page)
	if !strings.HasPrefix(text, "before\n<!-- curves: begin -->\n") || !strings.HasSuffix(text, "<!-- curves: end -->\nafter\n") || strings.Contains(text, "old") {
		t.Errorf("the page is\n%s", text)
	}
	if want := "| count | siftdb | 0.1 µs | 1.6 µs | 16 |"; !strings.Contains(text, want) {
		t.Errorf("the page lacks %q:\n%s", want, text)
	}
	if _, err := between([]byte("nothing"), "curves", ""); err == nil {
		t.Error("a page without markers was taken")
	}
	lines := 0
	for d := xml.NewDecoder(strings.NewReader(plot(reports))); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "polyline" {
			lines++
		}
	}
	if lines != 5*len(engines) {
		t.Errorf("the plot has %d lines", lines)
	}
}
