package media_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/siftdb/siftdb/media"
)

// crashDir is set in a process that uploads until it is killed.
const crashDir = "SIFTDB_TEST_MEDIA_CRASH"

// crashContent returns what is stored under a path: it follows from the path.
func crashContent(path string) []byte {
	sum := sha256.Sum256([]byte(path))
	return bytes.Repeat(sum[:], int(sum[0])*40+1)
}

// TestKill kills processes in the middle of uploads and deletions. A file that a
// Put told of is there, and every file that is there is whole.
// SIFTDB_KILLS sets how often.
func TestKill(t *testing.T) {
	if dir := os.Getenv(crashDir); dir != "" {
		uploadForever(t, dir)
	}
	kills := 20
	if n, err := strconv.Atoi(os.Getenv("SIFTDB_KILLS")); err == nil {
		kills = n
	}
	var dir string
	var stored, deleted map[string]bool
	total, leftovers := 0, 0
	for i := range kills {
		if i%20 == 0 { // all files are read after each kill
			total += len(stored)
			dir, stored, deleted = t.TempDir(), map[string]bool{}, map[string]bool{}
		}
		killed(t, dir, stored, deleted)
		if names, err := os.ReadDir(filepath.Join(dir, media.TempDir)); err == nil {
			leftovers += len(names)
		}
		checkKilled(t, dir, stored, deleted)
	}
	total += len(stored)
	t.Logf("%d kills: %d files stored, %d unfinished uploads left behind", kills, total, leftovers)
	if total < kills {
		t.Errorf("only %d files", total)
	}
}

// killed runs a process that uploads into a directory, kills it, and notes what it
// told of.
func killed(t *testing.T, dir string, stored, deleted map[string]bool) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestKill$")
	cmd.Env = append(os.Environ(), crashDir+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	var timer *time.Timer
	for lines.Scan() {
		what, path, ok := strings.Cut(lines.Text(), " ")
		switch {
		case ok && what == "stored":
			stored[path] = true
		case ok && what == "deleting": // killed in it or not, it may be gone
			delete(stored, path)
		case ok && what == "deleted":
			deleted[path] = true
		}
		if timer == nil {
			timer = time.AfterFunc(time.Duration(rand.IntN(80))*time.Millisecond, func() { cmd.Process.Kill() })
		}
	}
	cmd.Wait()
}

// checkKilled opens a store that a process left behind.
func checkKilled(t *testing.T, dir string, stored, deleted map[string]bool) {
	t.Helper()
	d := openDir(t, dir)
	defer d.Close()
	if names, err := os.ReadDir(filepath.Join(dir, media.TempDir)); err != nil || len(names) > 0 {
		t.Errorf("unfinished uploads stay: %d, %v", len(names), err)
	}
	for path := range stored {
		if _, err := readAll(t, d, path); err != nil {
			t.Errorf("a file that was stored: %v", err)
		}
	}
	for info, err := range d.List(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if deleted[info.Path] {
			t.Errorf("%q was deleted and is there", info.Path)
		}
		got, err := readAll(t, d, info.Path)
		if err != nil || !bytes.Equal(got, crashContent(info.Path)) {
			t.Errorf("%q has %d bytes, and not those that were stored: %v", info.Path, len(got), err)
		}
	}
}

// uploadForever uploads files, and deletes some, until the process is killed.
func uploadForever(t *testing.T, dir string) {
	d, err := media.Dir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for worker := range 4 {
		go func() {
			for i := 0; ; i++ {
				path := media.NewPath(nil, nil, strconv.Itoa(worker))
				// In small parts, so that kills hit the middle.
				r := struct{ io.Reader }{bytes.NewReader(crashContent(path))}
				if _, err := d.Put(context.Background(), path, readerFunc(func(p []byte) (int, error) { return r.Read(p[:min(len(p), 500)]) })); err != nil {
					panic(err)
				}
				fmt.Printf("stored %s\n", path)
				if i%3 == 0 {
					fmt.Printf("deleting %s\n", path)
					if err := d.Delete(context.Background(), path); err != nil {
						panic(err)
					}
					fmt.Printf("deleted %s\n", path)
				}
			}
		}()
	}
	time.Sleep(time.Minute) // in case nobody kills it
	os.Exit(1)
}
