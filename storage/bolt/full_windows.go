package bolt

import "golang.org/x/sys/windows"

// fullErrors are what a system call says when there is no space left.
var fullErrors = []error{windows.ERROR_DISK_FULL, windows.ERROR_HANDLE_DISK_FULL, windows.ERROR_DISK_QUOTA_EXCEEDED}
