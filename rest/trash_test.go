package rest

import (
	"fmt"
	"sync"
	"testing"

	"github.com/siftdb/siftdb"
)

// TestPurgeAgainstRestore has a data source taken out of the trash and removed for good at the
// same time: one of them happens, the other is told that it is too late, and what was taken out is
// whole. A purge of what is not in the trash never happens.
func TestPurgeAgainstRestore(t *testing.T) {
	s := newSite(t, Options{})
	rounds := 300
	if testing.Short() {
		rounds = 50
	}
	restored := 0
	for round := range rounds {
		ds := s.table(siftdb.DataSourceSpec{Name: "t"}, `{"a": 1}`, `{"a": 2}`)
		s.ask(orgToken, fmt.Sprintf("DELETE /v1/data-sources/deleted/%d", ds.ID())).want(404)
		s.ask(orgToken, "DELETE "+path(ds, "")).want(200)
		var wg sync.WaitGroup
		var restore, purge *reply
		wg.Go(func() { restore = s.ask(orgToken, fmt.Sprintf("POST /v1/data-sources/%d/restore", ds.ID())) })
		wg.Go(func() { purge = s.ask(orgToken, fmt.Sprintf("DELETE /v1/data-sources/deleted/%d", ds.ID())) })
		wg.Wait()
		switch {
		case restore.status == 200 && purge.status == 404:
			restored++
			if n, err := ds.Count(ctx, siftdb.Query{}); err != nil || n != 2 {
				t.Fatalf("round %d: restored with %d entries, %v", round, n, err)
			}
		case restore.status == 404 && purge.status == 200:
			s.ask(orgToken, "GET "+path(ds, "/data")).want(404)
		default:
			t.Fatalf("round %d: the restore gives %d %s, the purge %d %s", round, restore.status, restore.body, purge.status, purge.body)
		}
	}
	t.Logf("%d of %d were restored", restored, rounds)
}
