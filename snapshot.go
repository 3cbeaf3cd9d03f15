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
	commit  int64
	opened  time.Time
	waiting bool // has read all there is, and waits for more
}

// register claims everything above commit. It is called before the storage is
// read, with a commit that is certainly visible by then; move follows.
func (s *snapshots) register(commit int64) *snapshot {
	snap := &snapshot{commit: commit, opened: time.Now()}
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

// wait tells that the read has seen everything up to a commit and waits for more:
// until it goes on, its claim does not age.
func (s *snapshots) wait(snap *snapshot, commit int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	snap.commit, snap.waiting = commit, true
}

// resume tells that the read goes on, as if it began now.
func (s *snapshots) resume(snap *snapshot, commit int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	snap.commit, snap.waiting, snap.opened = commit, false, time.Now()
}

// release gives the claim up.
func (s *snapshots) release(snap *snapshot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, snap)
}

// oldest returns the lowest commit claimed, math.MaxInt64 when there is none.
// Claims older than age are void: those reads end with ErrSnapshotGone when they go
// on. Age is measured by the process, whatever the clock of the commits says.
func (s *snapshots) oldest(age time.Duration) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	lowest := int64(math.MaxInt64)
	for snap := range s.open {
		if snap.waiting || time.Since(snap.opened) <= age {
			lowest = min(lowest, snap.commit)
		}
	}
	return lowest
}
