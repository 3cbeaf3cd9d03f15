package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/examples/internal/report"
)

// outcome says what came of a read: data, or a refusal. Other errors end the program.
func outcome(entries []*siftdb.Entry, err error) (string, error) {
	switch {
	case errors.Is(err, siftdb.ErrDenied):
		return "denied", nil
	case err != nil:
		return "", err
	case len(entries) == 0:
		return "nothing", nil
	}
	lines := make([]string, len(entries))
	for i, e := range entries {
		lines[i] = string(e.JSON())
	}
	return strings.Join(lines, " "), nil
}

// reads asks for entries. A rule may require that the where asks for certain entries only;
// the columns that it hides do not exist for the caller, wherever they are named.
func (t *tour) reads(ctx context.Context) error {
	t.Heading("Reads: the first rule whose requirements the where meets decides")
	table := report.NewTable("who", "where", "sees")
	for _, where := range []string{
		`{"Department": "Pumps", "Name": "Bob"}`,
		`{"Email": "bob@example.org"}`,
		`{"Department": "Pumps", "Salary": {"$gt": 0}}`,
		`{"Name": "Cleo"}`,
	} {
		for _, p := range people {
			// What is done with the handle is done in the name of the principal.
			saw, err := outcome(t.staff.As(p.as).Find(ctx, siftdb.Query{Where: where}))
			if err != nil {
				return err
			}
			table.Add(p.name, where, saw)
		}
	}
	t.Table(table)
	return nil
}

// writes sends data. A requirement looks at what is sent, and a hidden column cannot be set.
func (t *tour) writes(ctx context.Context) error {
	t.Heading("Writes: Bob may change his own entry, but not what the rule leaves out")
	table := report.NewTable("who", "sends to Bob's entry", "outcome")
	for _, send := range []struct {
		who  person
		data string
	}{
		{people[1], `{"Email": "bob@example.org", "Name": "Robert"}`},
		{people[1], `{"Name": "Rob"}`},
		{people[1], `{"Email": "bob@example.org", "Salary": 10000}`},
		{people[2], `{"Email": "bob@example.org", "Name": "Bobby"}`},
		{people[0], `{"Salary": 5500}`},
	} {
		e, err := t.staff.As(send.who.as).UpdateEntry(ctx, 2, json.RawMessage(send.data))
		saw := "denied"
		switch {
		case err == nil: // the answer is what the writer may read of it
			saw = string(e.JSON())
		case !errors.Is(err, siftdb.ErrDenied):
			return err
		}
		table.Add(send.who.name, send.data, saw)
	}
	t.Table(table)
	return nil
}

// joins reads two data sources. The rules of each hold: joined entries pass through those of
// their own data source.
func (t *tour) joins(ctx context.Context) error {
	t.Heading("Joins: the staff of each shift, as far as the rules of Staff let it be seen")
	table := report.NewTable("who", "day", "staff", "salaries")
	for _, p := range people {
		staff := siftdb.Join{Name: "staff", DataSourceName: "Staff", On: siftdb.On{"Department": "Department"}, Where: `{"Department": "Pumps"}`}
		sum := staff
		sum.Name, sum.Sum = "salaries", "Salary"
		entries, err := t.shifts.As(p.as).Find(ctx, siftdb.Query{Where: `{"Day": "Monday"}`, Joins: []siftdb.Join{staff, sum}})
		if errors.Is(err, siftdb.ErrDenied) {
			table.Add(p.name, "denied", nil, nil)
			continue
		}
		if err != nil {
			return err
		}
		for _, shift := range entries {
			var names []string
			for _, e := range shift.Joined("staff") {
				names = append(names, fmt.Sprint(e.Get("Name")))
			}
			table.Add(p.name, shift.Get("Day"), strings.Join(names, ", "), shift.JoinValue("salaries"))
		}
	}
	t.Table(table)
	return nil
}

// versions reads what was there before the writes. The rules of today hold for it.
func (t *tour) versions(ctx context.Context) error {
	t.Heading("Versions: the past is seen by the rules of today")
	list, err := t.staff.Versions(ctx, siftdb.Page{})
	if err != nil {
		return err
	}
	first := list[len(list)-1].ID
	table := report.NewTable("who", "sees of Bob before the first write")
	for _, p := range people {
		saw, err := outcome(t.staff.At(first).As(p.as).Find(ctx, siftdb.Query{Where: `{"Email": "bob@example.org"}`}))
		if err != nil {
			return err
		}
		table.Add(p.name, saw)
	}
	t.Table(table)
	return nil
}

// script asks a data source whose rule is a script.
func (t *tour) script(ctx context.Context) error {
	t.Heading("A script: Bob asks for all projects, and gets those of his teams")
	table := report.NewTable("who", "sees")
	for _, p := range people {
		saw, err := outcome(t.projects.As(p.as).Find(ctx, siftdb.Query{}))
		if err != nil {
			return err
		}
		table.Add(p.name, saw)
	}
	t.Table(table)
	return nil
}
