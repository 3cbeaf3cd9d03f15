//go:build !unix

package bolt

import (
	"io/fs"
	"os"
)

// takeRights gives a file the mode of another one.
func takeRights(f *os.File, of fs.FileInfo) error { return os.Chmod(f.Name(), of.Mode().Perm()) }
