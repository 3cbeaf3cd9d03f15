package media

import "syscall"

// fullErrors are what a system call says when there is no space left: the codes of
// ERROR_DISK_FULL, ERROR_HANDLE_DISK_FULL and ERROR_DISK_QUOTA_EXCEEDED.
var fullErrors = []error{syscall.Errno(112), syscall.Errno(39), syscall.Errno(1295)}
