package siftdb_test

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/siftdb/siftdb"
)

// crashFile names the database to a child process of TestKill.
const crashFile = "SIFTDB_TEST_CRASH_FILE"

// crashWriter commits numbers to both data sources until it is killed, from four
// goroutines, and prints each number once its commit has returned.
func crashWriter(path string) error {
	db, err := siftdb.Open(ctx, path, nil)
	if err != nil {
		return err
	}
	return crashWrites(db)
}

func crashWrites(db *siftdb.DB) error {
	a, err := db.DataSource(ctx, 1)
	if err != nil {
		return err
	}
	b, err := db.DataSource(ctx, 2)
	if err != nil {
		return err
	}
	first := time.Now().UnixNano()
	var mu sync.Mutex
	var wg sync.WaitGroup
	for w := range int64(4) {
		wg.Go(func() {
			for n := first + w; ; n += 4 {
				insert := siftdb.Commit{Append: new(true), Entries: []siftdb.CommitEntry{{Data: siftdb.M{"n": strconv.FormatInt(n, 10), "pad": strings.Repeat("x", 300)}}, {ID: w + 1, Data: siftdb.M{"n": "last"}}}}
				if _, err := db.CommitAll(ctx, []siftdb.SourceCommit{{DataSource: a, Commit: insert}, {DataSource: b, Commit: siftdb.Commit{Append: new(true), Entries: insert.Entries[:1]}}}); err != nil {
					fmt.Println("error", err)
					return
				}
				mu.Lock()
				fmt.Println(n)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return nil
}

// kills is how often a test kills a process: as often as SIFTDB_KILLS says, if it does.
func kills(n int) int {
	if more, err := strconv.Atoi(os.Getenv("SIFTDB_KILLS")); err == nil {
		return more
	}
	if testing.Short() {
		return 3
	}
	return n
}

// TestKill kills a process that writes, again and again: what it was told is
// stored is there, in both data sources, and what it was not told is there whole or
// not at all.
func TestKill(t *testing.T) {
	if path := os.Getenv(crashFile); path != "" {
		if err := crashWriter(path); err != nil {
			fmt.Println("error", err)
		}
		return
	}
	testKill(t, "TestKill", func(int) *siftdb.Options { return nil })
}

// TestKillWithLog is TestKill with a commit log that goes into the file again and again. Who
// opens the file next keeps one too, or does not, or only reads.
func TestKillWithLog(t *testing.T) {
	if path := os.Getenv(crashFile); path != "" {
		if err := crashWriter(path); err != nil {
			fmt.Println("error", err)
		}
		return
	}
	t.Setenv(keepLogs, "20000")
	testKill(t, "TestKillWithLog", func(round int) *siftdb.Options {
		return &siftdb.Options{Log: round%2 == 0, ReadOnly: round%3 == 2}
	})
}

// testKill kills the writer of a test in many rounds, and opens what it leaves behind.
func testKill(t *testing.T, name string, options func(round int) *siftdb.Options) {
	rounds := kills(25)
	path := filepath.Join(t.TempDir(), "crash.db")
	db := must[*siftdb.DB](t)(siftdb.Open(ctx, path, nil))
	table(t, db, "a", `{}`, `{}`, `{}`, `{}`)
	table(t, db, "b")
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	acked := map[string]bool{}
	for round := range rounds {
		for _, n := range killOnce(t, name, crashFile, path, 5+time.Duration(rng.IntN(60))) {
			acked[n] = true
		}
		wantSurvived(t, fmt.Sprint("round ", round), path, options(round), acked)
	}
	if len(acked) < rounds {
		t.Errorf("only %d commits were acknowledged in %d rounds", len(acked), rounds)
	}
	t.Logf("%d acknowledged commits survived %d kills", len(acked), rounds)
}

// wantSurvived opens what a writer left behind, and looks for all that it acknowledged.
func wantSurvived(t *testing.T, name, path string, opts *siftdb.Options, acked map[string]bool) {
	t.Helper()
	db := must[*siftdb.DB](t)(siftdb.Open(ctx, path, opts))
	seen := [2]map[string]bool{{}, {}}
	for i := range seen {
		ds := must[*siftdb.DataSource](t)(db.DataSource(ctx, int64(i+1)))
		for e, err := range ds.Each(ctx, siftdb.Query{Attributes: []string{"n"}}) {
			if err != nil {
				t.Fatal(err)
			}
			if n, _ := e.Get("n").(string); n != "" && n != "last" {
				seen[i][n] = true
			}
		}
	}
	for n := range acked {
		if !seen[0][n] || !seen[1][n] {
			t.Fatalf("%s: %s was acknowledged and is lost", name, n)
		}
	}
	for i := range seen {
		for n := range seen[i] {
			if !seen[1-i][n] {
				t.Fatalf("%s: %s is in one data source only", name, n)
			}
		}
	}
	report := must[*siftdb.Report](t)(db.Check(ctx))
	if err := report.Err(); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// killOnce runs a test as a writer, to which a variable names the database, kills it
// some milliseconds after its first acknowledgement, and returns the numbers that it
// acknowledged.
func killOnce(t *testing.T, test, env, path string, ms time.Duration) (acked []string) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^"+test+"$")
	cmd.Env = append(os.Environ(), env+"="+path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "error") {
			t.Error(lines.Text())
		}
		if len(acked) == 0 {
			time.AfterFunc(ms*time.Millisecond, func() { cmd.Process.Kill() })
		}
		if _, err := strconv.ParseInt(lines.Text(), 10, 64); err == nil {
			acked = append(acked, lines.Text())
		}
	}
	_ = cmd.Wait() // it was killed
	return acked
}
