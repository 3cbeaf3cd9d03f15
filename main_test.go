package siftdb_test

import (
	"os"
	"strconv"
	"testing"

	"go.uber.org/goleak"

	"github.com/siftdb/siftdb"
)

// keepLogs, where it is set, says how many bytes of the commit log beside every file may not be in
// the file: 0 is as many as ever, and -1 that there is no log.
const keepLogs = "SIFTDB_TEST_LOG"

// TestMain makes sure that no goroutine is left when all databases are closed.
func TestMain(m *testing.M) {
	if value := os.Getenv(keepLogs); value != "" {
		bytes, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			panic(keepLogs + " is not a number")
		}
		siftdb.KeepLogs(bytes)
	}
	goleak.VerifyTestMain(m)
}
