//go:build unix

package bolt

import (
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// takeRights gives a file the mode and the owner of another one. Whoever may not, because
// the other belongs to somebody else, may not replace it either.
func takeRights(f *os.File, of fs.FileInfo) error {
	if want, ok := of.Sys().(*syscall.Stat_t); ok {
		info, err := f.Stat()
		if err != nil {
			return err
		}
		if has, ok := info.Sys().(*syscall.Stat_t); ok && (has.Uid != want.Uid || has.Gid != want.Gid) {
			if err := f.Chown(int(want.Uid), int(want.Gid)); err != nil {
				return fmt.Errorf("the owner of the file cannot be kept: %w", err)
			}
		}
	}
	return f.Chmod(of.Mode().Perm())
}
