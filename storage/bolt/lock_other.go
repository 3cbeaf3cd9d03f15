//go:build !windows && (!unix || solaris || aix || android)

package bolt

import "os"

// tryLock is empty where bbolt uses record locks, which belong to the process and
// not to the handle: there only bbolt's own lock guards the file.
func tryLock(*os.File, bool) (bool, error) { return true, nil }

// lockTwice says that a file which is locked can be locked again through the same
// handle.
const lockTwice = false
