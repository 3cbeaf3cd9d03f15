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
	"testing"
	"time"

	"github.com/siftdb/siftdb"
)

// crashFile names the database to a child process of TestKill.
const crashFile = "SIFTDB_TEST_CRASH_FILE"

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

// TestKill kills a process that writes without a commit log, again and again: what it was told is stored is there, in
// all data sources, indexes and versions and in the outbox, and what it was not told is there
// whole or not at all.
func TestKill(t *testing.T) {
	if path := os.Getenv(crashFile); path != "" {
		if err := crashWriter(path); err != nil {
			fmt.Println("error", err)
		}
		return
	}
	t.Setenv(keepLogs, "-1")
	testKill(t, "TestKill", func(int) *siftdb.Options { return &siftdb.Options{} })
}

// TestKillWithLog is TestKill with a commit log, which goes into the file again and again, or is
// all there when the process is killed. Who opens the file next keeps one too, there or inside the
// file, or only reads.
func TestKillWithLog(t *testing.T) { killWithLog(t, "") }

// TestKillWithLogInside is TestKillWithLog for logs that are inside the file.
func TestKillWithLogInside(t *testing.T) { killWithLog(t, insideFile) }

func killWithLog(t *testing.T, place string) {
	if path := os.Getenv(crashFile); path != "" {
		if err := crashWriter(path); err != nil {
			fmt.Println("error", err)
		}
		return
	}
	testKill(t, t.Name(), func(round int) *siftdb.Options {
		t.Setenv(keepLogs, place+[]string{"20000", "0"}[round/6%2])
		return &siftdb.Options{NoLog: round%2 == 1, ReadOnly: round%3 == 2}
	})
}

// testKill kills the writers of a test in many rounds, and opens what they leave behind.
func testKill(t *testing.T, name string, options func(round int) *siftdb.Options) {
	rounds := kills(25)
	path := filepath.Join(t.TempDir(), "crash.db")
	crashTables(t, path)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	var c crashed
	for round := range rounds {
		opts := options(round) // before the process begins, whose environment they set
		if err := c.survived(path, opts, told(killOnce(t, name, crashFile, path, 5+time.Duration(rng.IntN(60))))); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
	}
	if c.acked < rounds {
		t.Errorf("only %d commits were acknowledged in %d rounds", c.acked, rounds)
	}
	t.Logf("%d acknowledged commits survived %d kills", c.acked, rounds)
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
