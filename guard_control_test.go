package siftdb_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/siftdb/siftdb"
)

// The control of the test of noninterference: each guard is switched off by itself, and
// either the random requests tell the two databases apart, or where these do not come a
// probe is told what it must not be. So no guard can be lost unnoticed.

// guardTMost is how many requests of the test of noninterference find a guard that is off.
const guardTMost = 20_000

// guardTSearch makes requests as TestGuardNoninterference does, with a guard off, up to the
// first one that tells the databases apart. It returns how many that took, 0 when none did.
func guardTSearch(t testing.TB, guard string, seed uint64) (asked int, class string) {
	for round := uint64(0); asked < guardTMost; round++ {
		p := guardTNewPair(t, seed+round, guardTPrincipal("clerk"), false)
		siftdb.Unguard(p.a.w.root, guard)
		siftdb.Unguard(p.b.w.root, guard)
		g := guardTNewGrammar(rand.New(rand.NewPCG(seed+round, 3)))
		for range 250 {
			r := g.next()
			asked++
			if a, b := p.ask(r); a != b {
				return asked, r.class
			}
		}
	}
	return 0, ""
}

// guardTReached are the guards that the random requests find.
var guardTReached = []string{"stored columns", "ids of files", "definition.exclude", "sight", "scan", "views behind rules", "columns of versions", "trim of columns", "show by id", "sibling's veil", "sibling's rules",
	"delete query", "blind update", "blind commit", "nothing kept", "written"}

// TestGuardControl switches each guard off. SIFTDB_SEED repeats a run.
func TestGuardControl(t *testing.T) {
	seed := guardTSeed(t)
	t.Logf("SIFTDB_SEED=%d", seed)
	if n := len(siftdb.Guards()); n < 25 {
		t.Errorf("there are only %d guards", n)
	}
	for name := range guardTProbes {
		if !slices.Contains(siftdb.Guards(), name) {
			t.Errorf("%s is no guard", name)
		}
	}
	for _, name := range siftdb.Guards() {
		probe := guardTProbes[name]
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			switch {
			case slices.Contains(guardTReached, name):
				n, class := guardTSearch(t, name, seed)
				if n == 0 {
					t.Errorf("seed %d: no difference in %d requests", seed, guardTMost)
				}
				t.Logf("%s is found by request %d, %s", name, n, class)
			case probe == nil:
				t.Error("nothing finds that it is off")
			default:
				if got, want := probe(guardTLab{t, ""}); got != want {
					t.Errorf("with the guard it tells %s, not %s", got, want)
				}
				if got, want := probe(guardTLab{t, name}); got == want {
					t.Errorf("it tells %s with the guard and without", got)
				}
			}
		})
	}
}

// guardTLab makes databases without a guard; "" takes none away.
type guardTLab struct {
	t   testing.TB
	off string
}

func (l guardTLab) open(o siftdb.Options) *siftdb.DB {
	db := memoryDB(l.t, &o)
	if l.off != "" {
		siftdb.Unguard(db, l.off)
	}
	return db
}

// owned makes a data source with rules, and bob's handle on it.
func (l guardTLab) owned(script guardTScript, rules, definition string, rows ...string) (ds, bob *siftdb.DataSource) {
	ds = guardTSource(l.t, l.open(siftdb.Options{Scripts: script}), "t", rules, definition, rows...)
	return ds, ds.As(guardTUser(siftdb.M{"Name": "bob"}))
}
