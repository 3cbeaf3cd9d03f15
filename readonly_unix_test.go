//go:build unix

package siftdb_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/siftdb/siftdb"
)

// readOnlyFolder names a folder to a child process of TestReadOnlyFolder.
const readOnlyFolder = "SIFTDB_TEST_READ_ONLY_FOLDER"

// TestReadOnlyFolder opens a new file in a folder, and an existing one, that the
// user may not write to. Root may write anywhere, so for root it runs as nobody.
func TestReadOnlyFolder(t *testing.T) {
	if dir := os.Getenv(readOnlyFolder); dir != "" {
		for _, name := range []string{"new.db", "old.db"} {
			_, err := siftdb.Open(ctx, filepath.Join(dir, name), nil)
			if !errors.Is(err, fs.ErrPermission) || !errors.Is(err, siftdb.ErrUnavailable) {
				t.Errorf("%s gives %v", name, err)
			}
		}
		db, err := siftdb.Open(ctx, filepath.Join(dir, "old.db"), &siftdb.Options{ReadOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if n := len(all(t, must[*siftdb.DataSource](t)(db.DataSource(ctx, 1)))); n != 1 {
			t.Errorf("read-only, %d entries", n)
		}
		fmt.Println("looked at the folder")
		return
	}
	dir := t.TempDir()
	db := must[*siftdb.DB](t)(siftdb.Open(ctx, filepath.Join(dir, "old.db"), nil))
	table(t, db, "t", `{}`)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(dir, "test")
	copyFile(t, os.Args[0], binary)
	for path, mode := range map[string]os.FileMode{filepath.Join(dir, "old.db"): 0o444, dir: 0o555, filepath.Dir(dir): 0o755} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { os.Chmod(dir, 0o755) })
	cmd := exec.Command(binary, "-test.run=^TestReadOnlyFolder$")
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), readOnlyFolder+"="+dir)
	if os.Getuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	out, err := cmd.CombinedOutput()
	if errors.Is(err, fs.ErrPermission) {
		t.Skipf("the test cannot be run as another user: %v", err)
	}
	if err != nil || !strings.Contains(string(out), "looked at the folder") {
		t.Errorf("%v\n%s", err, out)
	}
}

// copyFile copies a program.
func copyFile(t *testing.T, from, to string) {
	t.Helper()
	in := must[*os.File](t)(os.Open(from))
	defer in.Close()
	out := must[*os.File](t)(os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755))
	_, err := io.Copy(out, in)
	if err := errors.Join(err, out.Close()); err != nil {
		t.Fatal(err)
	}
}
