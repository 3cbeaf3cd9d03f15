package script

import (
	"os"
	"strconv"
	"strings"
	"syscall"
)

// room is how much address space a worker gets beyond what it has when it starts: the script's
// memory several times over, since a message passes through Go memory as well.
const room = 1 << 30

// limitProcess takes from this process what no script needs: memory without end, files and core
// dumps. What cannot be limited stays as it is.
func limitProcess() {
	set := func(resource int, n uint64) {
		_ = syscall.Setrlimit(resource, &syscall.Rlimit{Cur: n, Max: n})
	}
	set(syscall.RLIMIT_CORE, 0)
	set(syscall.RLIMIT_FSIZE, 0) // pipes are no files
	set(syscall.RLIMIT_NOFILE, 32)
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return
	}
	size, _, _ := strings.Cut(string(statm), " ")
	if pages, err := strconv.ParseUint(size, 10, 64); err == nil {
		if total := pages*uint64(os.Getpagesize()) + room; strconv.IntSize == 64 || total < 1<<32 {
			set(syscall.RLIMIT_AS, total)
		}
	}
}
