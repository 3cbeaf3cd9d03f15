// Command siftdb serves a database over REST, looks after its file, and shows what it does.
//
//	siftdb serve [--addr 127.0.0.1:8080] [--db FILE [--no-log] | --memory] [--tokens FILE] [--media DIR] [--keys FILE]
//	siftdb demo  [--addr 127.0.0.1:8080]
//	siftdb check | compact | rotate [--keys FILE] FILE
//	siftdb recover FILE
//	siftdb index [flags] FILE [ID [FIELD...]]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

const usage = `siftdb serves databases of siftdb, and looks after their files.

  siftdb serve [flags]   serve a database over REST
      --addr HOST:PORT   where to listen (127.0.0.1:8080); port 0 picks one
      --db FILE          the database file, which is made when there is none
      --no-log           keeps no commit log beside the file, but one inside it, so that
                         the file is of use without another one at any time
      --memory           a database in memory, gone when the command ends; the default
      --tokens FILE      a JSON list of who may ask; without it one admin token is made
      --media DIR        where files are kept, for this database alone; without it they
                         are refused. What uploads that a crash has ended left behind
                         is deleted at the start, once it is a day old
      --keys FILE        the keys of encrypted data sources; without it none can be made
      --cors ORIGIN      lets pages of this origin call, or of all with *
      --rate N           requests that one token may make in 10 seconds; 0 is no limit
      --verbose          logs every request

  siftdb demo [--addr]   serve sample data from memory, with lines to try

  siftdb check FILE      read a whole database and compare its parts
  siftdb compact FILE    write a file anew, without what was deleted
  siftdb rotate FILE     encrypt what is encrypted under the current key, and compact
      --keys FILE        as above, before the name of the file

  siftdb recover FILE    make a file usable whose commit log is missing or damaged: it
                         gets what the log holds up to the fault, and the log is moved
                         aside; later writes are lost, even acknowledged ones

  siftdb index FILE [ID [FIELD...]]
                         list the indexes of a file, or of the data source with an id,
                         or make one over fields of it: -FIELD is from large to small
      --name NAME        what the index is called; else its fields, with commas
      --unique           no two entries may have the same values
      --sparse           leaves out entries without the fields
      --ignore-case      makes no difference between capitals and small letters
      --trigram          for searches within the texts of one field
      --drop NAME        drops that index instead
      --keys FILE        as above

The members of the list in --tokens:
  {"id": 42857, "token": "eu--secret", "admin": false, "appId": 456,
   "organizationId": 123, "user": {"Email": "bob@acme.com"}}
Only id and token are required. Of a token that is no admin's, the access rules of
each data source decide. A token that is taken out of the file is refused at once.
The file in --keys, whose keys are 64 hex digits (openssl rand -hex 32):
  {"current": "2026", "keys": {"2026": "...", "2025": "..."}}
Rules may be JavaScript: {"script": "return {granted: user.Email === query.Email}"}.
It runs in processes of its own, for three seconds at most; what fails is logged.
Hooks send web requests, to public addresses alone. The command has no senders of
e-mails, text messages and push notifications: those fail, which is logged, and stay
in the file, where DB.Deliveries of a Go program lists them, and DB.RetryDelivery sends
them. check, compact and rotate send nothing.
`

// What the command returns to the shell.
const (
	exitOK     = 0
	exitFailed = 1 // check: faults were found
	exitUsage  = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// errUsage is a command line that cannot be understood.
var errUsage = errors.New("see siftdb help")

// run runs a command until it is done, or the context ends.
func run(ctx context.Context, args []string, out, log io.Writer) int {
	if len(args) == 0 {
		fmt.Fprint(log, usage)
		return exitUsage
	}
	var err error
	switch args[0] {
	case "serve":
		err = serve(ctx, args[1:], out, log)
	case "demo":
		err = demo(ctx, args[1:], out, log)
	case "check":
		err = check(ctx, args[1:], out)
	case "compact":
		err = compact(ctx, args[1:], out)
	case "rotate":
		err = rotate(ctx, args[1:], out)
	case "recover":
		err = recoverFile(ctx, args[1:], out)
	case "index":
		err = index(ctx, args[1:], out)
	case "help", "-h", "--help":
		fmt.Fprint(out, usage)
	default:
		err = fmt.Errorf("there is no command %q: %w", args[0], errUsage)
	}
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return exitOK
	case errors.Is(err, errUsage):
		fmt.Fprintln(log, "siftdb:", err)
		return exitUsage
	}
	fmt.Fprintln(log, "siftdb:", err)
	return exitFailed
}

// newFlags returns a set of flags whose help is that of the command.
func newFlags(name string, out io.Writer) *flag.FlagSet {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.Usage = func() { fmt.Fprint(out, usage) }
	return flags
}

// parse reads flags. What is left over is refused.
func parse(flags *flag.FlagSet, args []string) error {
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return err
	case err != nil:
		return fmt.Errorf("%s: %w: %w", flags.Name(), err, errUsage)
	case flags.NArg() > 0:
		return fmt.Errorf("%s: what is %q? %w", flags.Name(), flags.Arg(0), errUsage)
	}
	return nil
}
