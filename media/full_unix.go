//go:build !windows

package media

import "syscall"

// fullErrors are what a system call says when there is no space left.
var fullErrors = []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG}
