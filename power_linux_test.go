package siftdb_test

import (
	"bufio"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/storage/bolt"
)

const (
	// powerCuts is how often TestPowerCut cuts the power; it is not run without, and needs root.
	powerCuts = "SIFTDB_POWER_CUTS"
	// powerLies has its writer not wait for the disk, and says where its log is.
	powerLies = "SIFTDB_TEST_POWER_LIES"
)

// disk is a file system in a file, which can be shut down as if the power had failed: what was
// not synced is lost.
type disk struct {
	t      *testing.T
	image  string
	folder string
	mount  string // options
}

func newDisk(t *testing.T, mkfs []string, mount string) *disk {
	t.Helper()
	dir := t.TempDir()
	d := &disk{t: t, image: filepath.Join(dir, "image"), folder: filepath.Join(dir, "disk"), mount: "loop" + mount}
	f, err := os.Create(d.image)
	if err == nil {
		err = errors.Join(f.Truncate(512<<20), f.Close(), os.Mkdir(d.folder, 0o700))
	}
	if err != nil {
		t.Fatal(err)
	}
	d.run(append(mkfs, d.image)...)
	d.up()
	t.Cleanup(func() { _ = exec.Command("umount", d.folder).Run() })
	return d
}

func (d *disk) run(args ...string) {
	d.t.Helper()
	if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
		d.t.Fatalf("%v: %v\n%s", args, err, out)
	}
}

func (d *disk) up()   { d.t.Helper(); d.run("mount", "-o", d.mount, d.image, d.folder) }
func (d *disk) down() { d.t.Helper(); d.run("umount", d.folder) }

// cut shuts the file system down, without writing its journal.
func (d *disk) cut() error {
	const shutdown = 0x8004587d
	noFlush := uint32(2)
	f, err := os.Open(d.folder)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, _, no := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), shutdown, uintptr(unsafe.Pointer(&noFlush))); no != 0 {
		return no
	}
	return nil
}

// powerOnce runs a writer, cuts the power some milliseconds after its first acknowledgement, and
// returns the numbers that it acknowledged.
func (d *disk) powerOnce(path string, wait time.Duration, env ...string) (acked []string) {
	d.t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestPowerCut$")
	cmd.Env = append(append(os.Environ(), crashFile+"="+path), env...)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		d.t.Fatal(err)
	}
	failed := make(chan error, 1)
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if len(acked) == 0 {
			time.AfterFunc(wait, func() {
				failed <- d.cut()
				time.Sleep(10 * time.Millisecond) // what is told now has to be there as well
				cmd.Process.Kill()
			})
		}
		if _, err := strconv.ParseInt(lines.Text(), 10, 64); err == nil {
			acked = append(acked, lines.Text())
		} else if len(acked) == 0 {
			d.t.Fatal(lines.Text())
		}
	}
	_ = cmd.Wait() // it was killed
	if err := <-failed; err != nil {
		d.t.Fatal("shutting down: ", err)
	}
	return acked
}

// TestPowerCut cuts the power of real file systems under a writer with a commit log.
func TestPowerCut(t *testing.T) {
	if path := os.Getenv(crashFile); path != "" {
		if err := powerWriter(path); err != nil {
			fmt.Println("error", err)
		}
		return
	}
	cuts, err := strconv.Atoi(os.Getenv(powerCuts))
	if err != nil || os.Getuid() != 0 {
		t.Skip("needs root, and " + powerCuts)
	}
	ext4, xfs := []string{"mkfs.ext4", "-q", "-F"}, []string{"mkfs.xfs", "-q", "-f"}
	for _, kind := range []struct {
		name  string
		mkfs  []string
		mount string
	}{{"ext4", ext4, ""}, {"ext4 commit=1", ext4, ",commit=1"}, {"ext4 writeback", ext4, ",data=writeback"}, {"xfs", xfs, ""}} {
		t.Run(kind.name, func(t *testing.T) {
			if _, err := exec.LookPath(kind.mkfs[0]); err != nil {
				t.Skip(err)
			}
			d := newDisk(t, kind.mkfs, kind.mount)
			path := filepath.Join(d.folder, "crash.db")
			crashTables(t, path)
			var c crashed
			for round := range cuts {
				log := keepLogs + "=" + []string{"", insideFile}[round/3%2] + "20000"
				acked := told(d.powerOnce(path, time.Duration(5+rand.IntN(60))*time.Millisecond, log))
				d.down()
				d.up()
				if err := c.survived(path, &siftdb.Options{NoLog: round%2 == 1, ReadOnly: round%3 == 2}, acked); err != nil {
					t.Fatalf("cut %d: %v", round, err)
				}
			}
			t.Logf("%d acknowledged commits survived %d cuts", c.acked, cuts)
			d.wantLiesFound(t, path, &c, "beside")
			path, c = filepath.Join(d.folder, "inside.db"), crashed{}
			crashTables(t, path)
			d.wantLiesFound(t, path, &c, "inside")
			d.down()
		})
	}
}

// powerWriter is crashWriter, which can be told not to wait for the disk.
func powerWriter(path string) error {
	lies := os.Getenv(powerLies)
	if lies == "" {
		return crashWriter(path)
	}
	store, err := bolt.Open(path, bolt.Options{NoSync: true, Log: true, LogInFile: lies == "inside"})
	if err != nil {
		return err
	}
	db, err := siftdb.OpenStorage(ctx, store, writerOptions())
	if err != nil {
		return err
	}
	return crashWrites(db)
}

// wantLiesFound cuts the power under a writer that does not wait for the disk: what it
// acknowledges is lost.
func (d *disk) wantLiesFound(t *testing.T, path string, c *crashed, where string) {
	t.Helper()
	for range 5 {
		acked := told(d.powerOnce(path, 50*time.Millisecond, powerLies+"="+where))
		d.down()
		d.up()
		if err := c.survived(path, &siftdb.Options{}, acked); err != nil {
			t.Logf("a writer that does not wait for the disk, with its log %s: %v", where, err)
			return
		}
	}
	t.Error("a writer that does not wait for the disk lost nothing")
}
