package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// The data: books of a library with several branches, and loans of them. Book i is the same
// in every run, so every answer is known beforehand.

type shelf struct {
	Room string
	Row  int
}

type book struct {
	Title   string
	ISBN    string
	Genre   string
	Branch  string
	Year    int
	Price   float64
	State   string
	Authors []string
	Shelf   shelf
	Added   string
	Blurb   string
}

type loan struct {
	No    string
	ISBN  string
	State string
	Due   string
	Fee   float64
}

var (
	genres   = strings.Fields("Crime Poetry History Science Travel Drama Fantasy Cookery Music Law Art Biography")
	branches = strings.Fields("North South East West Harbour Market Castle Station Park Hill River Bridge Abbey Mill Cross Green")
	nouns    = strings.Fields("Garden Winter River Mirror Letter Island Clock Forest Bridge Harvest Lantern Road Signal Orchard Window Voyage Shadow Summer Ladder Mountain")
	people   = strings.Fields("Abe Bauer Costa Dietz Egan Flores Gray Hess Ivanova Juhl Katz Lund Mora Nagy Ono Pohl Quinn Rossi Sand Tran Ueda Vogt Wirth Young Zola")
	words    = strings.Fields("a quiet tale of the long journey home told by those who stayed and waited through years of rain with maps letters and one old promise nobody dared to break")
	states   = strings.Fields("open returned returned returned lost")
)

const (
	rareWord = "quicksilver"

	countGenre         = "History"
	countYear          = 1990
	rangeLo, rangeHi   = 1985, 1990
	joinState          = "overdue"
	updateBranch       = "Harbour"
	updateLo, updateHi = 1960, 1975
	pageSize           = 25
	loansEach          = 2 // loans of a book
)

func source(table, i uint64) *rand.Rand { return rand.New(rand.NewPCG(table*0x9E3779B97F4A7C15+7, i)) }

func isbn(i int64) string { return fmt.Sprintf("978-%03d-%06d", i%997, i) }

// bookAt makes book i, counted from 1.
func bookAt(i int64) book {
	r := source(1, uint64(i))
	b := book{
		Title:  fmt.Sprintf("%s and %s %d", nouns[r.IntN(len(nouns))], nouns[r.IntN(len(nouns))], r.IntN(1000)),
		ISBN:   isbn(i),
		Genre:  genres[r.IntN(len(genres))],
		Branch: branches[r.IntN(len(branches))],
		Year:   1950 + r.IntN(76),
		Price:  float64(200+r.IntN(9000)) / 100,
		State:  "in",
		Shelf:  shelf{Room: fmt.Sprintf("R%02d", r.IntN(40)), Row: r.IntN(90)},
		Added:  fmt.Sprintf("20%02d-%02d-%02d", r.IntN(26), 1+r.IntN(12), 1+r.IntN(28)),
	}
	for range 1 + r.IntN(3) {
		b.Authors = append(b.Authors, people[r.IntN(len(people))])
	}
	var blurb strings.Builder
	rare := r.IntN(1000) == 0
	for n := 10 + r.IntN(14); n > 0; n-- {
		blurb.WriteString(words[r.IntN(len(words))])
		blurb.WriteByte(' ')
		if rare {
			blurb.WriteString([]string{"quicksilver ", "Quicksilver ", "QUICKSILVER "}[r.IntN(3)])
			rare = false
		}
	}
	b.Blurb = strings.TrimSpace(blurb.String())
	return b
}

// loanAt makes loan i of a library with n books.
func loanAt(i, n int64) loan {
	r := source(2, uint64(i))
	l := loan{No: fmt.Sprintf("L%08d", i), ISBN: isbn(1 + r.Int64N(n)), State: states[r.IntN(len(states))],
		Due: fmt.Sprintf("2026-%02d-%02d", 1+r.IntN(12), 1+r.IntN(28)), Fee: float64(r.IntN(2000)) / 100}
	if r.IntN(100) == 0 {
		l.State = joinState
	}
	return l
}

// row is what every store is handed: an id from 1, and JSON text. Making it the store's own
// form is on the clock.
type row struct {
	id   int64
	json []byte
}

type group struct {
	genre string
	count int
	price float64 // the average
	year  int     // the latest
}

// library is one size of the workload: the rows in files, so that they take no memory, and
// the right answers.
type library struct {
	n            int64
	books, loans string // files of a row in each line

	count, contains int
	groups          map[string]group
	branches        []string
	page            []string  // titles
	prices          []float64 // of the range, the dearest first
	joined          int
	fees            float64
	updated         int
}

// newLibrary writes the rows into a folder and works out the answers.
func newLibrary(dir string, n int64) (*library, error) {
	l := &library{n: n, books: filepath.Join(dir, "books.ndjson"), loans: filepath.Join(dir, "loans.ndjson"), groups: map[string]group{}}
	titles := make([]string, 0, n)
	seen := map[string]bool{}
	err := writeRows(l.books, n, func(i int64) any {
		b := bookAt(i)
		titles = append(titles, b.Title)
		seen[b.Branch] = true
		l.expect(b)
		return b
	})
	if err != nil {
		return nil, err
	}
	for k, g := range l.groups {
		g.price /= float64(g.count)
		l.groups[k] = g
	}
	for b := range seen {
		l.branches = append(l.branches, b)
	}
	slices.Sort(l.branches)
	slices.Sort(titles)
	l.page = slices.Clone(titles[n/2 : min(n/2+pageSize, n)])
	slices.SortFunc(l.prices, func(a, b float64) int { return int(math.Copysign(1, b-a)) })
	l.prices = l.prices[:min(pageSize, len(l.prices))]
	return l, writeRows(l.loans, n*loansEach, func(i int64) any {
		x := loanAt(i, n)
		if x.State == joinState {
			l.joined++
			l.fees += x.Fee
		}
		return x
	})
}

// expect adds a book to the answers.
func (l *library) expect(b book) {
	if b.Genre == countGenre && b.Year >= countYear {
		l.count++
	}
	if strings.Contains(strings.ToLower(b.Blurb), rareWord) {
		l.contains++
	}
	if b.Year >= rangeLo && b.Year <= rangeHi {
		l.prices = append(l.prices, b.Price)
	}
	if b.Branch == updateBranch && b.Year >= updateLo && b.Year <= updateHi {
		l.updated++
	}
	g := l.groups[b.Genre]
	l.groups[b.Genre] = group{genre: b.Genre, count: g.count + 1, price: g.price + b.Price, year: max(g.year, b.Year)}
}

func writeRows(path string, n int64, make func(i int64) any) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	out := bufio.NewWriterSize(f, 1<<20)
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	for i := int64(1); i <= n; i++ {
		if err := enc.Encode(make(i)); err != nil {
			return err
		}
	}
	return out.Flush()
}

// rows reads the rows of a file. A row is valid during its turn.
func rows(path string) iter.Seq2[row, error] {
	return func(yield func(row, error) bool) {
		f, err := os.Open(path)
		if err != nil {
			yield(row{}, err)
			return
		}
		defer f.Close()
		lines := bufio.NewScanner(f)
		lines.Buffer(make([]byte, 1<<16), 1<<20)
		for i := int64(1); lines.Scan(); i++ {
			if !yield(row{i, lines.Bytes()}, nil) {
				return
			}
		}
		if err := lines.Err(); err != nil {
			yield(row{}, err)
		}
	}
}
