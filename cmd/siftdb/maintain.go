package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/siftdb/siftdb"
)

// maintain opens the file that a command names, which must be there, does something with
// it, and closes it.
func maintain(ctx context.Context, name string, args []string, readOnly bool, do func(*siftdb.DB) error) error {
	flags := newFlags(name, io.Discard)
	keyFile := flags.String("keys", "", "")
	if err := flags.Parse(args); err != nil {
		return fmt.Errorf("%s: %w: %w", name, err, errUsage)
	}
	if flags.NArg() != 1 || flags.Arg(0) == "" {
		return fmt.Errorf("%s takes the name of one file: %w", name, errUsage)
	}
	return inFile(ctx, flags.Arg(0), *keyFile, readOnly, do)
}

// inFile does something with a file, which must be there.
func inFile(ctx context.Context, file, keyFile string, readOnly bool, do func(*siftdb.DB) error) error {
	keys, err := openKeys(keyFile)
	if err != nil {
		return err
	}
	if _, err := os.Stat(file); err != nil {
		return err
	}
	options := &siftdb.Options{ReadOnly: readOnly, Keys: keys}
	options.Deliveries.Off = true // they are for the program that has the senders
	db, err := siftdb.Open(ctx, file, options)
	if err != nil {
		return err
	}
	return errors.Join(do(db), db.Close())
}

// errFaults says that a check found something; the findings have been printed.
var errFaults = errors.New("the database is damaged")

// check reads a whole database, and prints what is wrong with it.
func check(ctx context.Context, args []string, out io.Writer) error {
	return maintain(ctx, "check", args, true, func(db *siftdb.DB) error {
		report, err := db.Check(ctx)
		if err != nil {
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
	})
}

// compact writes a database anew, and prints how large it was and is.
func compact(ctx context.Context, args []string, out io.Writer) error {
	return maintain(ctx, "compact", args, false, func(db *siftdb.DB) error {
		before, err := db.Size()
		if err == nil {
			err = db.Compact(ctx)
		}
		if err != nil {
			return err
		}
		after, err := db.Size()
		fmt.Fprintf(out, "%d bytes, %d before\n", after.Total, before.Total)
		return err
	})
}

// rotate gives encrypted data sources new keys, and prints how many there are.
func rotate(ctx context.Context, args []string, out io.Writer) error {
	return maintain(ctx, "rotate", args, false, func(db *siftdb.DB) error {
		n, err := db.RotateKeys(ctx)
		if err == nil {
			fmt.Fprintf(out, "%d data sources have new keys\n", n)
		}
		return err
	})
}

// recoverFile makes a file usable whose commit log is not, and prints what that cost.
func recoverFile(ctx context.Context, args []string, out io.Writer) error {
	flags := newFlags("recover", out)
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return err
	} else if err != nil || flags.NArg() != 1 || flags.Arg(0) == "" {
		return fmt.Errorf("recover takes the name of one file: %w", errUsage)
	}
	if _, err := os.Stat(flags.Arg(0)); err != nil {
		return err
	}
	r, err := siftdb.Recover(ctx, flags.Arg(0))
	if err != nil {
		return err
	}
	if r.Lost == nil {
		fmt.Fprintf(out, "nothing is wrong with the commit log; %d records of it went into the file\n", r.Records)
		return nil
	}
	fmt.Fprintf(out, "%v\n%d records of it went into the file; what came later is lost\n", r.Lost, r.Records)
	if r.Aside != "" {
		fmt.Fprintf(out, "the log is now %s\n", r.Aside)
	}
	return nil
}
