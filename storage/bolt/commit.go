package bolt

import (
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/siftdb/siftdb/storage"
)

// The file grows in steps: a growing step costs a sync, and a new file should
// not take a megabyte for its first few keys.
const (
	allocSize      = 1 << 20
	smallAllocSize = 256 << 10
	smallFile      = 512 << 10
)

// commit commits a transaction and classifies a failure.
func (s *Store) commit(tx *bbolt.Tx) (err error) {
	s.chooseStep(tx)
	id := tx.ID()
	defer func() {
		if v := recover(); v != nil {
			// How far it came, and what it did to the list of free pages, is
			// not known.
			s.frozen.Store(true)
			s.abandon(tx)
			if err = corruption(v); err == nil {
				err = fmt.Errorf("panic in commit: %v", v)
			}
			err = &storage.CommitError{Outcome: storage.Unknown, Err: err}
		}
	}()
	if err := s.commitTx(tx); err != nil {
		outcome := s.outcome(id)
		if outcome == storage.Unknown {
			s.frozen.Store(true)
		}
		return &storage.CommitError{Outcome: outcome, Err: full(err)}
	}
	s.unsaved = true
	return nil
}

// chooseStep sets by how much the file may grow in a transaction.
func (s *Store) chooseStep(tx *bbolt.Tx) {
	s.db.AllocSize = allocSize
	if tx.Size() < smallFile {
		s.db.AllocSize = smallAllocSize
	}
}

// outcome finds out what became of the transaction with this id after its commit
// failed. bbolt syncs the data, writes the meta page that makes it count, and
// syncs again: where the meta page is not there to see, nothing was applied;
// where it is, whether it will be there after a crash is anyone's guess.
func (s *Store) outcome(id int) storage.Outcome {
	tx, err := s.begin(false)
	if err != nil {
		return storage.Unknown
	}
	defer s.abandon(tx)
	if tx.ID() < id {
		return storage.NotApplied
	}
	return storage.Unknown
}
