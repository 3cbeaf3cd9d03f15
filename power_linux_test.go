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
	// powerLies has its writer not wait for the disk.
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
	cmd.Env = append(append(os.Environ(), crashFile+"="+path, keepLogs+"=20000"), env...)
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
	for name, d := range map[string][]string{"default": {""}, "commit=1": {",commit=1"}, "writeback": {",data=writeback"}} {
		t.Run(name, func(t *testing.T) {
			d := newDisk(t, []string{"mkfs.ext4", "-q", "-F"}, d[0])
			path, acked := d.newFile(t), map[string]bool{}
			for round := range cuts {
				for _, n := range d.powerOnce(path, time.Duration(5+rand.IntN(60))*time.Millisecond) {
					acked[n] = true
				}
				d.down()
				d.up()
				wantSurvived(t, fmt.Sprint("cut ", round), path, &siftdb.Options{Log: round%2 == 0, ReadOnly: round%3 == 2}, acked)
			}
			t.Logf("%d acknowledged commits survived %d cuts", len(acked), cuts)
			d.wantLiesFound(t, path)
			d.down()
		})
	}
}

// newFile is a database on the disk with the data sources that crashWrites writes to.
func (d *disk) newFile(t *testing.T) (path string) {
	t.Helper()
	path = filepath.Join(d.folder, "crash.db")
	db := must[*siftdb.DB](t)(siftdb.Open(ctx, path, nil))
	table(t, db, "a", `{}`, `{}`, `{}`, `{}`)
	table(t, db, "b")
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// powerWriter is crashWriter, which can be told not to wait for the disk.
func powerWriter(path string) error {
	if os.Getenv(powerLies) == "" {
		return crashWriter(path)
	}
	store, err := bolt.Open(path, bolt.Options{NoSync: true, Log: true})
	if err != nil {
		return err
	}
	db, err := siftdb.OpenStorage(ctx, store, nil)
	if err != nil {
		return err
	}
	return crashWrites(db)
}

// wantLiesFound cuts the power under a writer that does not wait for the disk: what it
// acknowledges is lost.
func (d *disk) wantLiesFound(t *testing.T, path string) {
	t.Helper()
	for range 5 {
		acked := d.powerOnce(path, 50*time.Millisecond, powerLies+"=1")
		d.down()
		d.up()
		db, err := siftdb.Open(ctx, path, nil)
		if err != nil {
			return
		}
		ds, err := db.DataSource(ctx, 2)
		if err != nil {
			db.Close()
			return
		}
		for _, n := range acked {
			found, err := ds.Count(ctx, siftdb.Query{Where: siftdb.M{"n": n}})
			if err != nil || found == 0 {
				db.Close()
				return
			}
		}
		db.Close()
	}
	t.Error("a writer that does not wait for the disk lost nothing")
}
