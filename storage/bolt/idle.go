package bolt

import (
	"sync"

	"go.etcd.io/bbolt"
)

// maxIdle is how many transactions for reading are kept at most.
const maxIdle = 16

// idle keeps transactions for reading whose View has ended, so that the next View need not
// begin one, and find its buckets anew. It only ever holds such as see the last commit: all of
// them end before a transaction for writing begins, which would wait for them when it has to
// map a larger file, and whose predecessors' pages they would hold back.
type idle struct {
	mu      sync.Mutex
	db      *bbolt.DB // in which those are that are kept; nil for none
	kept    []kept
	least   int // the lowest id of a transaction that sees the last commit, as far as is known
	writers int // that are about to begin a transaction
}

// kept is a transaction for reading, and the buckets that have been found in it.
type kept struct {
	tx      *bbolt.Tx
	buckets []bucket
}

// take returns a transaction for reading that sees the last commit, if one is kept.
func (p *idle) take() (k kept, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.kept)
	if n == 0 {
		return kept{}, false
	}
	k = p.kept[n-1]
	p.kept[n-1] = kept{}
	p.kept = p.kept[:n-1]
	return k, true
}

// give keeps a transaction for reading, or ends it.
func (p *idle) give(k kept) {
	p.mu.Lock()
	keep := p.db != nil && k.tx.DB() == p.db && p.writers == 0 && k.tx.ID() >= p.least && len(p.kept) < maxIdle
	if keep {
		p.kept = append(p.kept, k)
	}
	p.mu.Unlock()
	if !keep {
		_ = k.tx.Rollback()
	}
}

// writing ends what is kept, and keeps nothing until wrote: a transaction for writing is about
// to begin.
func (p *idle) writing() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.writers++
	p.drain()
}

// wrote tells which transaction for writing has begun after writing; nil when none has. What
// sees its commit has its id.
func (p *idle) wrote(tx *bbolt.Tx) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.writers--
	if tx != nil {
		p.least = tx.ID()
	}
}

// undone tells that a transaction for writing has come to nothing.
func (p *idle) undone(id int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.least == id {
		p.least = id - 1
	}
}

// reset ends what is kept; from now on transactions in db are, or none.
func (p *idle) reset(db *bbolt.DB) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.db, p.least = db, 0
	p.drain()
}

func (p *idle) drain() {
	for _, k := range p.kept {
		_ = k.tx.Rollback()
	}
	clear(p.kept)
	p.kept = p.kept[:0]
}
