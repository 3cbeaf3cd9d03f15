package commitlog

import (
	"os"
	"syscall"
)

// syncData makes the content of a file durable whose size has not changed.
func syncData(f *os.File) error {
	for {
		err := syscall.Fdatasync(int(f.Fd()))
		if err != syscall.EINTR {
			return err
		}
	}
}
