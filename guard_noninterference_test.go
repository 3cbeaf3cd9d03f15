package siftdb_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/siftdb/siftdb/security"
)

// The test of noninterference (reliability G): two databases had the same sequence of
// writes, and differ only in the values of hidden columns and of rows that the rules
// never let the caller name. The same random requests, made by the restricted principal
// on both, must give the same results, errors and texts, to the byte.

// guardTPair is two such databases, and a principal on both.
type guardTPair struct {
	a, b   guardTView
	shared *rand.Rand
	writes bool // whether an admin writes between the requests
}

func guardTNewPair(t testing.TB, seed uint64, p *security.Principal, strip bool) *guardTPair {
	views := make([]guardTView, 2)
	for i := range views {
		w := guardTBuild(t, rand.New(rand.NewPCG(seed, 1)), rand.New(rand.NewPCG(seed, 100+uint64(i))))
		views[i] = guardTView{w: w, db: w.root.As(p), strip: strip}
	}
	return &guardTPair{a: views[0], b: views[1], shared: rand.New(rand.NewPCG(seed, 2)), writes: true}
}

// ask makes one request on both.
func (p *guardTPair) ask(r guardTRequest) (a, b string) {
	if p.writes && p.shared.IntN(20) == 0 {
		seed := p.shared.Uint64()
		p.a.w.adminWrite(seed)
		p.b.w.adminWrite(seed)
	}
	p.a.w.tick()
	p.b.w.tick()
	return r.run(p.a), r.run(p.b)
}

// guardTSeed is a new seed each time, or that of SIFTDB_SEED.
func guardTSeed(t testing.TB) uint64 {
	t.Helper()
	text := os.Getenv("SIFTDB_SEED")
	if text == "" {
		return rand.Uint64()
	}
	seed, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return seed
}

// guardTRounds runs a test on shards of requests, side by side.
func guardTRounds(t *testing.T, seed uint64, requests int, round func(t *testing.T, seed uint64, requests int)) {
	const each, shards = 250, 4
	rounds := (requests + each - 1) / each
	for shard := range shards {
		t.Run(fmt.Sprint("shard ", shard), func(t *testing.T) {
			t.Parallel()
			for i := shard; i < rounds; i += shards {
				t.Run(fmt.Sprint("round ", i), func(t *testing.T) { round(t, seed+uint64(i), each) })
			}
		})
	}
}

// TestGuardNoninterference is the G-test. SIFTDB_SEED repeats a run.
func TestGuardNoninterference(t *testing.T) {
	requests := 20_000
	if testing.Short() {
		requests = 2_000
	}
	seed := guardTSeed(t)
	t.Logf("SIFTDB_SEED=%d", seed)
	guardTRounds(t, seed, requests, func(t *testing.T, seed uint64, requests int) {
		p := guardTNewPair(t, seed, guardTPrincipal("clerk"), false)
		g := guardTNewGrammar(rand.New(rand.NewPCG(seed, 3)))
		differs := make(map[string]bool)
		for i := range requests {
			r := g.next()
			if differs[r.class] {
				continue
			}
			a, b := p.ask(r)
			if t.Failed() && !differs[r.class] && len(differs) == 0 {
				t.Fatalf("seed %d, request %d, %s %s failed", seed, i, r.class, r.text)
			}
			if a == b {
				continue
			}
			differs[r.class] = true
			t.Errorf("seed %d, request %d, %s %s: one database says\n%s\nand the other\n%s", seed, i, r.class, r.text, guardTClip(a, b), guardTClip(b, a))
			if guardTWrites[r.class] {
				return // the databases have gone apart
			}
		}
	})
}

// guardTClip is a text from a little before where it differs from another.
func guardTClip(text, other string) string {
	at := 0
	for at < min(len(text), len(other)) && text[at] == other[at] {
		at++
	}
	return strconv.Quote(text[max(0, at-200):min(len(text), at+200)])
}

// guardTDumb are the classes through which a hidden value cannot show even to those who
// may read it: what they tell is the same in both databases.
var guardTDumb = map[string]bool{"explain": true, "info": true, "insert": true, "private": true, "own": true, "versions": true}

// TestGuardNoninterferenceControl: the same comparison finds a difference in every class
// of requests within 20,000 when the principal may read what is hidden from others, also
// when that is one of two columns. So the grammar reaches every channel, and a guard that
// is missing in one shows.
func TestGuardNoninterferenceControl(t *testing.T) {
	seed := guardTSeed(t)
	t.Logf("SIFTDB_SEED=%d", seed)
	for _, role := range []string{"boss", "half"} {
		t.Run(role, func(t *testing.T) {
			t.Parallel()
			found := make(map[string]int)
			asked := 0
			var missing []string
			for round := 0; asked < 20_000; round++ {
				p := guardTNewPair(t, seed+uint64(round), guardTPrincipal(role), true)
				g := guardTNewGrammar(rand.New(rand.NewPCG(seed+uint64(round), 3)))
				if role == "half" { // the other one is hidden, and must not be what differs
					g.hidden, g.codes = []string{"Secret", "Secret.code", "Secret.list"}, []string{"Code", "Code.code"}
				}
				writes := round%2 == 0 // these make the databases go apart in what everybody sees
				for range 400 {
					r := g.next()
					if guardTWrites[r.class] != writes || writes && found[r.class] > 0 {
						continue
					}
					asked++
					if a, b := p.ask(r); a != b {
						if found[r.class]++; writes {
							break
						}
					}
				}
				missing = missing[:0]
				for name := range guardTClasses {
					if found[name] == 0 && !guardTDumb[name] {
						missing = append(missing, name)
					}
				}
				if len(missing) == 0 {
					break
				}
			}
			slices.Sort(missing)
			if len(missing) > 0 {
				t.Errorf("seed %d: in %d requests no difference was found in %v; found %v", seed, asked, missing, found)
			}
			t.Logf("%d requests, differences in %d classes: %v", asked, len(found), slices.Sorted(maps.Keys(found)))
		})
	}
}

// guardTWrites are the classes that write. What they make of a difference is there for
// everybody to see, so that a database that they have touched proves nothing.
var guardTWrites = map[string]bool{"update": true, "commit": true, "replace": true, "delete": true}

// TestGuardNoninterferenceHalf: a principal who may read one of two secret columns sees
// differences in that one only.
func TestGuardNoninterferenceHalf(t *testing.T) {
	seed := guardTSeed(t)
	t.Logf("SIFTDB_SEED=%d", seed)
	var mu sync.Mutex
	differs := 0
	t.Run("requests", func(t *testing.T) {
		guardTRounds(t, seed, 1_000, func(t *testing.T, seed uint64, requests int) {
			p := guardTNewPair(t, seed, guardTPrincipal("half"), true)
			p.writes = false
			g := guardTNewGrammar(rand.New(rand.NewPCG(seed, 3)))
			g.hidden, g.codes = []string{"Salary", "Pin"}, []string{"Cost"}
			open := guardTNewGrammar(rand.New(rand.NewPCG(seed, 4)))
			open.hidden = []string{"Secret", "Secret.code"}
			for i := range requests {
				r := guardTClasses[guardTPick(g, "where", "filters", "order", "page", "total", "count", "unique", "join on", "join sum", "match", "sort", "at", "cursor")](g)
				if a, b := p.ask(r); a != b {
					t.Fatalf("seed %d, request %d, %s %s:\none database says\n%s\nthe other\n%s", seed, i, r.class, r.text, a, b)
				}
				if a, b := p.ask(guardTClasses["where"](open)); a != b {
					mu.Lock()
					differs++
					mu.Unlock()
				}
			}
		})
	})
	if differs == 0 {
		t.Errorf("seed %d: the column that may be read shows no difference", seed)
	}
}
