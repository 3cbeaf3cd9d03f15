package siftdb

import (
	"math"
	"sync"
	"time"
)

// snapshots registers the reads that need old versions to stay, so that
// retention knows what it must not drop.
type snapshots struct {
	mu   sync.Mutex
	open map[*snapshot]struct{}
}

// snapshot is one read's claim: versions above commit must stay.
type snapshot struct {
	commit int64
	opened time.Time
}

// register claims everything above commit. It is called before the storage is
// read, with a commit that is certainly visible by then; move follows.
func (s *snapshots) register(commit int64, now time.Time) *snapshot {
	snap := &snapshot{commit: commit, opened: now}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		s.open = make(map[*snapshot]struct{})
	}
	s.open[snap] = struct{}{}
	return snap
}

// move sets the claim to the commit that the read turned out to see.
func (s *snapshots) move(snap *snapshot, commit int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	snap.commit = commit
}

// release gives the claim up.
func (s *snapshots) release(snap *snapshot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, snap)
}

// oldest returns the lowest commit claimed since the given time, math.MaxInt64
// when there is none. Claims older than that are void: those reads end with
// ErrSnapshotGone when they go on.
func (s *snapshots) oldest(since time.Time) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	lowest := int64(math.MaxInt64)
	for snap := range s.open {
		if !snap.opened.Before(since) {
			lowest = min(lowest, snap.commit)
		}
	}
	return lowest
}
