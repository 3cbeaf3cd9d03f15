package column

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/siftdb/siftdb/internal/document"
)

// keyed are values to be sorted: of each kind some, by a random number.
var keyed = map[string]func(*rand.Rand) string{
	"numbers": func(rnd *rand.Rand) string { return fmt.Sprintf("%d.%02d", rnd.IntN(2000)-1000, rnd.IntN(100)) },
	"digits": func(rnd *rand.Rand) string {
		return []string{"1.5", "1.50", "15e-1", "0", "-0", "0.0", fmt.Sprint(rnd.IntN(900))}[rnd.IntN(7)]
	},
	"near":  func(rnd *rand.Rand) string { return fmt.Sprintf("1.%016d", rnd.IntN(4000)) },
	"names": func(rnd *rand.Rand) string { return fmt.Sprintf("%q", fmt.Sprint("Last", rnd.IntN(5000))) },
	"late": func(rnd *rand.Rand) string {
		return fmt.Sprintf("%q", fmt.Sprint([]string{"one long beginning ", "One long beginning ", "another one "}[rnd.IntN(3)], rnd.IntN(3000)))
	},
	"short": func(rnd *rand.Rand) string {
		return fmt.Sprint(`"`, "aaaaaaaaaaaa"[:rnd.IntN(12)]) + []string{``, `\u0000`, `\u0000\u0000`, `\u0000A`}[rnd.IntN(4)] + `"`
	},
	"few": func(rnd *rand.Rand) string { return fmt.Sprint(rnd.IntN(20)) },
	"mixed": func(rnd *rand.Rand) string {
		return []string{"null", "true", "false", `""`, `[1,2]`, `[1]`, `{"a":1}`, fmt.Sprint(rnd.IntN(3000)), fmt.Sprintf(`"t%d"`, rnd.IntN(3000))}[rnd.IntN(9)]
	},
}

// TestSortCodes sorts values of all kinds by parts of their keys, all of them and those that came
// last: it is the order of the whole keys.
func TestSortCodes(t *testing.T) {
	for name, value := range keyed {
		rnd := rand.New(rand.NewPCG(5, 6))
		d := newDict()
		for i := range 3000 {
			names := document.NewNames([]string{"a"})
			raw := must[[]byte](t)(document.NewEncoder(names, document.Limits{}).AppendJSON(nil, []byte(`{"a":`+value(rnd)+`}`)))
			if d.code(document.Stored(raw, names).Column(0).Raw()); i == 0 {
				d.code([]byte{0x06, 'A'}) // hardly begins like the others, and is not among the first that are looked at
			}
		}
		view := d.view()
		key := func(code uint32) []byte { return document.AppendKey(nil, view.Value(code)) }
		for _, from := range []uint32{0, 1, uint32(view.Len() / 2), uint32(view.Len() - 1), uint32(view.Len())} {
			list, first := view.sortCodes(from)
			seen := slices.Clone(list)
			if slices.Sort(seen); len(seen) != view.Len()-int(from) || len(slices.Compact(seen)) != len(list) || len(first) != len(list) {
				t.Fatalf("%s from %d: %d codes of %d", name, from, len(seen), view.Len()-int(from))
			}
			for i := 1; i < len(list); i++ {
				if c := bytes.Compare(key(list[i-1]), key(list[i])); c > 0 || (c < 0) != first[i] {
					t.Fatalf("%s from %d: %x comes before %x, another one %v", name, from, key(list[i-1]), key(list[i]), first[i])
				}
			}
		}
		if ranks, count := view.ranks(); !slices.Equal(ranks, view.ranked()) || count != slices.Max(ranks)+1 {
			t.Errorf("%s: two ways to rank values differ", name)
		}
	}
}
