// Command quickstart shows siftdb in one minute: it imports two real tables into
// a database file, asks them five questions, changes one of them in a commit,
// reads the state before that commit, and restores it.
//
//	go run ./examples/quickstart
//	go run ./examples/quickstart -db cities.db    keeps the file
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/examples/internal/report"
)

func main() {
	path := flag.String("db", "", "the database file; without it, a temporary one")
	flag.Parse()
	if err := run(context.Background(), os.Stdout, *path); err != nil {
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(1)
	}
}

// run runs the whole tour on a file, or on a temporary one when path is empty.
func run(ctx context.Context, out io.Writer, path string) (err error) {
	kept := path != ""
	if !kept {
		var dir string
		if dir, err = os.MkdirTemp("", "quickstart"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
		path = filepath.Join(dir, "quickstart.db")
	}
	db, err := siftdb.Open(ctx, path, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()

	t := &tour{Report: report.New(out)}
	if err := t.load(ctx, db); err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{
		t.largest, t.contains, t.ranges, t.counts, t.page, t.change, t.lookBack, t.restore,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	if kept {
		t.Say("\nThe tables are in the file you named. Run this again to see its versions grow.")
	} else {
		t.Say("\nThe file was a temporary one. To keep it, add: -db cities.db")
	}
	return t.Err()
}

// tour is the program's state: the two tables, and where it prints.
type tour struct {
	*report.Report
	cities    *siftdb.DataSource
	countries *siftdb.DataSource
	version   int64 // what the commit of change left
}
