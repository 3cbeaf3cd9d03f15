package siftdb_test

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/siftdb/siftdb"
)

// keepLogs, where it is set, says how many bytes of the commit log of every file may not be elsewhere in
// it: 0 is as many as ever, and -1 that there is no log. With insideFile before that, every log is
// inside its file.
const (
	keepLogs   = "SIFTDB_TEST_LOG"
	insideFile = "inside:"
)

// TestMain makes sure that no goroutine is left when all databases are closed.
func TestMain(m *testing.M) {
	if value := os.Getenv(keepLogs); value != "" {
		number, inside := strings.CutPrefix(value, insideFile)
		bytes, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			panic(keepLogs + " is not a number")
		}
		siftdb.KeepLogs(bytes, inside)
	}
	goleak.VerifyTestMain(m)
}
