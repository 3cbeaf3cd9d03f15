package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/siftdb/siftdb"
)

// errFaults says that a check found something; the findings have been printed.
var errFaults = errors.New("the database is damaged")

// check reads a whole database, and prints what is wrong with it.
func check(ctx context.Context, args []string, out io.Writer) error {
	if len(args) != 1 || args[0] == "" {
		return fmt.Errorf("check takes the name of one file: %w", errUsage)
	}
	db, err := siftdb.Open(ctx, args[0], &siftdb.Options{ReadOnly: true})
	if err != nil {
		return err
	}
	report, err := db.Check(ctx)
	if err := errors.Join(err, db.Close()); err != nil {
		return err
	}
	for _, finding := range report.Findings {
		fmt.Fprintln(out, finding)
	}
	fmt.Fprintf(out, "%d data sources, %d entries, %d versions, %d faults\n",
		report.DataSources, report.Entries, report.Versions, len(report.Findings))
	if len(report.Findings) > 0 {
		return errFaults
	}
	return nil
}
