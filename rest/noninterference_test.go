package rest

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
)

// The test of noninterference (reliability G) over HTTP: two databases that had the same writes, and
// differ only in what is hidden from the clerk, answer the clerk's requests with the same status, the
// same headers but for the date, and the same body, to the byte.

// worlds makes two such databases, and the requests to them.
func worlds(t testing.TB, seed uint64) (a, b *world, g *wisher) {
	var two [2]*world
	for i := range two {
		two[i] = newWorld(t, rand.New(rand.NewPCG(seed, 1)), rand.New(rand.NewPCG(seed, 100+uint64(i))))
	}
	return two[0], two[1], &wisher{rand.New(rand.NewPCG(seed, 3)), two[0]}
}

// runSeed is a new seed each time, or that of SIFTDB_SEED.
func runSeed(t testing.TB) uint64 {
	t.Helper()
	seed := rand.Uint64()
	if text := os.Getenv("SIFTDB_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("SIFTDB_SEED=%d", seed)
	return seed
}

// TestNoninterference is the G-test of the handler. SIFTDB_SEED repeats a run.
func TestNoninterference(t *testing.T) {
	rounds, each := 25, 200
	if testing.Short() {
		rounds = 5
	}
	seed := runSeed(t)
	statuses := map[string]int{}
	for round := range rounds {
		t.Run(fmt.Sprint("round ", round), func(t *testing.T) {
			a, b, g := worlds(t, seed+uint64(round))
			for i := range each {
				if g.IntN(20) == 0 {
					write := g.Uint64()
					a.adminWrite(write)
					b.adminWrite(write)
				}
				q := g.next("")
				token := clerkToken
				if g.IntN(10) == 0 {
					token = appToken
				}
				one, other := a.answer(token, q), b.answer(token, q)
				statuses[one[:3]]++
				if one != other {
					t.Fatalf("seed %d, request %d, %v: one database says\n%s\nand the other\n%s", seed, i, q, one, other)
				}
			}
		})
	}
	t.Logf("%d requests, by status: %v", rounds*each, statuses)
	if t.Failed() {
		return
	}
	for _, status := range []string{"200", "201", "206", "304", "400", "401", "404", "412", "416"} {
		if statuses[status] == 0 && !testing.Short() {
			t.Errorf("no answer had the status %s: %v", status, statuses)
		}
	}
}

// same are the classes through which a hidden value cannot show even to the boss: what they tell is
// the same in both databases, or is kept from him too.
var same = []string{"private", "insert", "import", "malformed", "versions", "delete entry", "upload", "own", "sources", "delete file", "restore"}

// TestNoninterferenceControl: the same comparison finds a difference in each other class of requests
// when the boss makes them. So the requests reach these channels, and a missing guard shows.
func TestNoninterferenceControl(t *testing.T) {
	seed := runSeed(t)
	found := map[string]int{}
	for round := range uint64(40) {
		missing := slices.DeleteFunc(slices.Clone(wishNames), func(name string) bool { return found[name] > 0 || slices.Contains(same, name) })
		if len(missing) == 0 {
			break
		}
		a, b, g := worlds(t, seed+round)
		for range 150 {
			class := oneOf(g, missing...)
			q := wishes[class](g)
			if a.answer(bossToken, q) == b.answer(bossToken, q) {
				continue
			}
			if found[class]++; slices.Contains(writing, class) {
				break // the databases have gone apart
			}
		}
	}
	for _, name := range wishNames {
		if found[name] == 0 && !slices.Contains(same, name) {
			t.Errorf("seed %d: no difference was found in %s; found in %v", seed, name, slices.Sorted(maps.Keys(found)))
		}
	}
}
