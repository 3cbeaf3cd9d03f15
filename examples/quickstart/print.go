package main

import (
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"unicode/utf8"

	"github.com/siftdb/siftdb"
)

// grid is a table to be printed. A column with a number in it is aligned to the
// right.
type grid struct {
	head []string
	rows [][]string
	wide map[int]int // of the columns with numbers: their width
}

// add adds a row. A nil cell is blank.
func (g *grid) add(cells ...any) {
	row := make([]string, len(cells))
	for i, cell := range cells {
		switch v := cell.(type) {
		case nil:
		case int, int64, float64:
			row[i] = thousands(fmt.Sprintf("%.0f", toFloat(v)))
			if g.wide == nil {
				g.wide = make(map[int]int)
			}
			g.wide[i] = max(g.wide[i], len(row[i]), len(g.head[i]))
		default:
			row[i] = fmt.Sprint(v)
		}
	}
	g.rows = append(g.rows, row)
}

func toFloat(v any) float64 {
	switch v := v.(type) {
	case int:
		return float64(v)
	case int64:
		return float64(v)
	}
	f, _ := v.(float64)
	return f
}

// thousands puts commas between groups of three digits.
func thousands(digits string) string {
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// entries prints some columns of entries.
func (t *tour) entries(list []*siftdb.Entry, columns ...string) {
	g := grid{head: columns}
	for _, e := range list {
		row := make([]any, len(columns))
		for i, name := range columns {
			row[i] = e.Get(name)
		}
		g.add(row...)
	}
	t.print(g)
}

// print prints a grid under its headings.
func (t *tour) print(g grid) {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 3, ' ', 0)
	rule := make([]string, len(g.head))
	for i, name := range g.head {
		rule[i] = strings.Repeat("-", max(g.wide[i], utf8.RuneCountInString(name)))
	}
	for _, row := range append([][]string{g.head, rule}, g.rows...) {
		line := ""
		for i, cell := range row {
			if width := g.wide[i]; width > 0 {
				cell = fmt.Sprintf("%*s", width, cell)
			}
			line += cell + "\t"
		}
		if _, err := fmt.Fprintln(w, line); err != nil {
			t.err = errors.Join(t.err, err)
		}
	}
	t.err = errors.Join(t.err, w.Flush())
	for line := range strings.Lines(b.String()) {
		t.say("   %s", strings.TrimRight(line, " \n"))
	}
}
