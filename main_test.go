package siftdb_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/siftdb/siftdb"
)

// keepLogs, where it is set, has all tests run with a commit log beside every file.
const keepLogs = "SIFTDB_TEST_LOG"

// TestMain makes sure that no goroutine is left when all databases are closed.
func TestMain(m *testing.M) {
	if os.Getenv(keepLogs) != "" {
		siftdb.KeepLogs()
	}
	goleak.VerifyTestMain(m)
}
