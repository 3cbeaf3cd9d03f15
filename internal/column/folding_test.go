package column

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/query"
)

// TestLowerASCII lowers every byte at every place of a word.
func TestLowerASCII(t *testing.T) {
	for size := range 20 {
		src, dst := make([]byte, size), make([]byte, size+1)
		for i := range size {
			for c := range 256 {
				for k := range src {
					src[k] = byte(c + k*(i+1))
				}
				src[i] = byte(c)
				dst[size] = 'X'
				lowerASCII(dst, src)
				if want := lowerSlowly(src); !bytes.Equal(dst[:size], want) || dst[size] != 'X' {
					t.Fatalf("%x becomes %x", src, dst)
				}
			}
		}
	}
}

func lowerSlowly(src []byte) []byte {
	out := bytes.Clone(src)
	for i, c := range out {
		if c >= 'A' && c <= 'Z' {
			out[i] = c + 'a' - 'A'
		}
	}
	return out
}

// TestFolding finds what a search of the lowered part finds, wherever it begins, and whether the
// rarest byte is rare or not.
func TestFolding(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	letters := []byte("aAbBzZ7@[`{^ \xe1")
	lowered := 0
	for range 3000 {
		some := letters[:2+rng.IntN(len(letters)-1)]
		text := func(n int) []byte {
			b := make([]byte, n)
			for i := range b {
				b[i] = some[rng.IntN(len(some))]
			}
			return b
		}
		f := newFolding(string(lowerSlowly(text(1 + rng.IntN(6)))))
		for range 3 { // parts
			part := text(rng.IntN(4000))
			want := lowerSlowly(part)
			f.begin(part)
			for from := 0; from <= len(part); from += 1 + rng.IntN(9) {
				at := bytes.Index(want[from:], f.needle)
				if at >= 0 {
					at += from
				}
				if got := f.index(from); got != at {
					t.Fatalf("%q in %q from %d on: %d, want %d", f.needle, part, from, got, at)
				}
			}
			if f.lowered {
				lowered++
			}
		}
	}
	if lowered < 100 || lowered > 8900 {
		t.Errorf("%d of 9000 parts were lowered", lowered)
	}
}

// BenchmarkContains looks for words in 100,000 texts of 80 bytes.
func BenchmarkContains(b *testing.B) {
	names := document.NewNames([]string{"a"})
	builder := NewBuilder([]uint16{0}, 0, 0)
	piece := builder.Piece(0)
	for i := range 100_000 {
		text := fmt.Sprintf(`{"a":"%d The Quick Brown fox jumps over the lazy dog, and again. And Once More, word"}`, i)
		raw := must[[]byte](b)(document.NewEncoder(names, document.Limits{}).AppendJSON(nil, []byte(text)))
		piece.Add(int64(i+1), 0, document.Stored(raw, names))
	}
	builder.Give(piece, 0)
	table := builder.Finish(1)
	schema := query.Schema{Names: names, Columns: func(name string) bool { return name == "a" }}
	for _, word := range []string{"zebra", "tent", "seen e"} {
		for _, op := range []string{"$like", "$iLike"} {
			bound := must[*query.Matcher](b)(query.Compile(`{"a":{"`+op+`":"%`+word+`%"}}`, query.ForDataSource())).Bind(schema)
			shape, _ := bound.Shape()
			b.Run(op+" "+word, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := table.Select(b.Context(), shape, nil); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
