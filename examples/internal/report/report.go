// Package report prints what the examples find: numbered chapters, and tables with
// aligned columns in which numbers are grouped. It is no part of what they show.
package report

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/siftdb/siftdb"
)

// Report prints to a writer. After an error of the writer it prints nothing more.
type Report struct {
	out      io.Writer
	err      error
	chapters int
}

// New returns a report that prints to out.
func New(out io.Writer) *Report { return &Report{out: out} }

// Err returns the first error of the writer.
func (r *Report) Err() error { return r.err }

// Say prints a line.
func (r *Report) Say(format string, args ...any) {
	if r.err == nil {
		_, r.err = fmt.Fprintf(r.out, format+"\n", args...)
	}
}

// Heading begins a chapter.
func (r *Report) Heading(text string) {
	r.chapters++
	r.Say("\n%d. %s\n", r.chapters, text)
}

// Indent prints a text of several lines, indented as tables are.
func (r *Report) Indent(text string) {
	for line := range strings.Lines(text) {
		r.Say("   %s", strings.TrimRight(line, "\n"))
	}
}

// Entries prints some columns of entries as a table.
func (r *Report) Entries(list []*siftdb.Entry, columns ...string) {
	t := NewTable(columns...)
	for _, e := range list {
		row := make([]any, len(columns))
		for i, name := range columns {
			row[i] = e.Get(name)
		}
		t.Add(row...)
	}
	r.Table(t)
}

// Table prints a table under its headings.
func (r *Report) Table(t *Table) {
	rule := make([]string, len(t.head))
	for i := range rule {
		rule[i] = strings.Repeat("-", t.rule[i])
	}
	for _, row := range append([][]string{t.head, rule}, t.rows...) {
		var line strings.Builder
		for i, cell := range row {
			pad := strings.Repeat(" ", t.width[i]-utf8.RuneCountInString(cell))
			if t.right[i] {
				cell = pad + cell
			} else {
				cell += pad
			}
			line.WriteString("   " + cell)
		}
		r.Say("%s", strings.TrimRight(line.String(), " "))
	}
}

// Table is a table to be printed. A column with a number in it is aligned to the
// right.
type Table struct {
	head  []string
	rows  [][]string
	width []int // of the columns, in characters
	rule  []int // how long the rule under each heading is
	right []bool
}

// NewTable returns a table with these headings.
func NewTable(head ...string) *Table {
	t := &Table{head: head, width: make([]int, len(head)), rule: make([]int, len(head)), right: make([]bool, len(head))}
	for i, name := range head {
		t.width[i] = utf8.RuneCountInString(name)
		t.rule[i] = t.width[i]
	}
	return t
}

// Len returns the number of rows.
func (t *Table) Len() int { return len(t.rows) }

// Add adds a row, with a cell for each heading. A nil cell is blank; numbers are
// rounded to whole ones.
func (t *Table) Add(cells ...any) {
	row := make([]string, len(cells))
	for i, cell := range cells {
		var number bool
		row[i], number = format(cell)
		n := utf8.RuneCountInString(row[i])
		t.width[i] = max(t.width[i], n)
		if number {
			t.right[i] = true
			t.rule[i] = max(t.rule[i], n)
		}
	}
	t.rows = append(t.rows, row)
}

// format returns the text of a cell, and whether it is a number.
func format(cell any) (text string, number bool) {
	switch v := cell.(type) {
	case nil:
		return "", false
	case int, int64:
		return thousands(fmt.Sprint(v)), true
	case float64:
		return thousands(fmt.Sprintf("%.0f", v)), true
	}
	return fmt.Sprint(cell), false
}

// thousands puts commas between groups of three digits.
func thousands(digits string) string {
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
