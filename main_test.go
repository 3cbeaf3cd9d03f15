package siftdb_test

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain makes sure that no goroutine is left when all databases are closed.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
