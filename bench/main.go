// Command bench compares siftdb with SQLite and with bare bbolt: documents of a library, the
// same operations on each store, every answer checked. See README.md.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"runtime/debug"
	"strconv"
	"strings"
)

var (
	flagN      = flag.Int64("n", 100_000, "books; there are twice as many loans")
	flagStores = flag.String("stores", "", "these stores only, separated by commas")
	flagDir    = flag.String("dir", os.TempDir(), "where the stores are made")
	flagCurve  = flag.Bool("curve", false, "measure the reads and the load at growing sizes")
	flagSizes  = flag.String("sizes", "10000,30000,100000,300000,1000000", "the sizes of -curve")
	flagWrite  = flag.String("write", "", "put the result between its markers in this Markdown file, too, and the plot of -curve beside it")
	flagAgain  = flag.String("again", "", "with -curve: take the figures from this file instead of measuring")
	flagKeep   = flag.String("keep", "", "with -curve: keep the figures in this file, as JSON")
	flagChild  = flag.String("child", "", "internal: measure one store and print its report as JSON")
	flagReads  = flag.Bool("reads", false, "internal: leave out the writes")
)

func main() {
	flag.Parse()
	do := table
	switch {
	case *flagChild != "":
		do = childMain
	case *flagCurve:
		do = curve
	}
	if err := do(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// table measures all stores at one size and prints them side by side.
func table() error {
	var reports []report
	for _, e := range chosen() {
		r, err := inProcess(e.name, *flagN, true)
		if err != nil {
			return err
		}
		reports = append(reports, r)
	}
	text := comparison(reports)
	fmt.Print(text)
	return publish("comparison", text)
}

// chosen are the stores that are wanted.
func chosen() (list []engine) {
	for _, e := range engines {
		if *flagStores == "" || strings.Contains(","+*flagStores+",", ","+e.name+",") {
			list = append(list, e)
		}
	}
	return list
}

// inProcess measures a store in a process of its own, so that what one leaves behind in
// memory is not another's.
func inProcess(name string, n int64, writes bool) (report, error) {
	fmt.Fprintf(os.Stderr, "%s, %d books\n", name, n)
	self, err := os.Executable()
	if err != nil {
		return report{}, err
	}
	cmd := exec.Command(self, "-child", name, "-n", strconv.FormatInt(n, 10), "-dir", *flagDir, "-reads="+strconv.FormatBool(!writes))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return report{}, fmt.Errorf("%s: %w", name, err)
	}
	var r report
	return r, json.Unmarshal(out, &r)
}

// childMain is the process of one store.
func childMain() error {
	dir, err := os.MkdirTemp(*flagDir, "siftdb-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	r, err := child(*flagChild, *flagN, dir, !*flagReads)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(r)
}

// versionOf returns a module's version in this program.
func versionOf(path string) string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Path == path {
				return m.Version
			}
		}
	}
	return ""
}
