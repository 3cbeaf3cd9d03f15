package index

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/index/indextest"
	"github.com/siftdb/siftdb/query"
)

var rounds = flag.Int("rounds", 10_000, "random wheres that are held against the keys")

// checker holds what probes say against what matches.
type checker struct {
	t      *testing.T
	schema query.Schema
	rec    *query.Record
	where  string
	keys   KeySet
	missed string // the index that did not find the entry

	paths, told, exact int // conditions seen, those with bounds, those with exact ones
}

// check tests one where on one entry: when it matches, every index on its paths must find it.
func (c *checker) check(m *query.Matcher) {
	bound := m.Bind(c.schema)
	c.rec.Err = nil
	matches := bound.MatchRecord(c.rec)
	if c.rec.Err != nil {
		return
	}
	found := c.holds(bound.Probe())
	if matches && !found {
		c.t.Fatalf("%s matches %s, but %s has no key within the bounds", c.where, document.AppendJSON(nil, c.rec.Data), c.missed)
	}
	if p := bound.Probe(); !matches && p.Kind == query.ProbePath && p.Whole {
		c.checkExact(p)
	}
}

// holds reports whether the entry is proposed.
func (c *checker) holds(p *query.Probe) bool {
	switch p.Kind {
	case query.ProbeAnd:
		for _, part := range p.Parts {
			if !c.holds(part) {
				return false
			}
		}
		return c.holdsTogether(p.Parts)
	case query.ProbeOr:
		for _, part := range p.Parts {
			if c.holds(part) {
				return true
			}
		}
		return false
	case query.ProbePath:
		c.paths++
		return c.holdsPath(p)
	}
	return true
}

// indexesOn returns an index of each kind on the path of a condition.
func (c *checker) indexesOn(p *query.Probe) []*Bound {
	for _, name := range []string{p.Path(), "data." + p.Path()} {
		d := Def{Fields: []Field{{Name: name}}}
		if !p.On(d.Bind(c.schema).Field(0)) {
			continue
		}
		desc, sparse, fold, gram := d, d, d, d
		desc.Fields = []Field{{name, true}}
		sparse.Sparse, fold.IgnoreCase, gram.Trigram = true, true, true
		list := []*Bound{}
		for _, d := range []Def{d, desc, sparse, fold, gram} {
			list = append(list, d.Bind(c.schema))
		}
		return list
	}
	return nil
}

func (c *checker) holdsPath(p *query.Probe) bool {
	for _, b := range c.indexesOn(p) {
		b.Keys(&c.keys, c.rec)
		var stats Stats
		stats.Add(&c.keys, 1)
		if b.Def().Trigram {
			if !c.holdsGrams(p) {
				return false
			}
			continue
		}
		if l, ok := lookup(b, stats, p); ok {
			c.told++
			if !within(&c.keys, l.Spans) {
				c.missed = fmt.Sprintf("%+v", *b.Def())
				return false
			}
		}
	}
	return true
}

func lookup(b *Bound, stats Stats, ps ...*query.Probe) (Lookup, bool) {
	var bounds []query.Bounds
	for _, p := range ps {
		if b.Def().IgnoreCase {
			bounds = append(bounds, p.Folded())
		} else {
			bounds = append(bounds, p.Values(stats.Multi > 0))
		}
	}
	return b.Lookup(bounds, stats)
}

// holdsGrams looks at c.keys, the grams of the entry.
func (c *checker) holdsGrams(p *query.Probe) bool {
	alternatives, ok := p.Grams()
	if !ok {
		return true
	}
	c.told++
	for _, texts := range alternatives {
		all := true
		for _, s := range GramSpans(texts) {
			all = all && within(&c.keys, []Span{s, OverflowSpan()})
		}
		if all {
			return true
		}
	}
	c.missed = fmt.Sprintf("grams %q", alternatives)
	return false
}

// holdsTogether tries indexes on two fields.
func (c *checker) holdsTogether(parts []*query.Probe) bool {
	for i, p := range parts[:len(parts)-1] {
		q := parts[i+1]
		if p.Kind != query.ProbePath || q.Kind != query.ProbePath || p.Path() == q.Path() {
			continue
		}
		first, second := c.indexesOn(p), c.indexesOn(q)
		if first == nil || second == nil {
			continue
		}
		for j, d := range []Def{{}, {}, {Sparse: true}, {IgnoreCase: true}} {
			f, g := first[j%2].def.Fields[0], second[(j+1)%2].def.Fields[0]
			d.Fields = []Field{f, g}
			b := d.Bind(c.schema)
			b.Keys(&c.keys, c.rec)
			var stats Stats
			stats.Add(&c.keys, 1)
			if l, ok := lookup(b, stats, p, q); ok && !within(&c.keys, l.Spans) {
				c.missed = fmt.Sprintf("%+v", d)
				return false
			}
		}
	}
	return true
}

// checkExact makes sure that an entry that does not match is not proposed by bounds that call
// themselves exact.
func (c *checker) checkExact(p *query.Probe) {
	for _, b := range c.indexesOn(p) {
		b.Keys(&c.keys, c.rec)
		var stats Stats
		stats.Add(&c.keys, 1)
		if b.Def().Trigram {
			continue
		}
		if l, ok := lookup(b, stats, p); ok && l.Exact {
			c.exact++
			if within(&c.keys, l.Spans) {
				c.t.Fatalf("%s does not match %s, but its bounds are exact and hold a key", c.where, document.AppendJSON(nil, c.rec.Data))
			}
		}
	}
}

func within(k *KeySet, spans []Span) bool {
	for i := range k.Len() {
		for _, s := range spans {
			if s.Whole && !bytes.Equal(k.Key(i), s.Lo) {
				continue
			}
			if bytes.Compare(k.Key(i), s.Lo) >= 0 && (s.Hi == nil || bytes.Compare(k.Key(i), s.Hi) < 0) {
				return true
			}
		}
	}
	return false
}

func (c *checker) try(where, doc any) {
	m, err := query.Compile(where, query.ForDataSource())
	if err != nil {
		return
	}
	raw, err := document.FromGo(doc, document.Limits{Depth: 200})
	if err != nil || raw.Kind() != document.Object {
		return
	}
	enc := document.NewEncoder(nil, document.Limits{Depth: 200})
	stored, err := enc.AppendJSON(nil, document.AppendJSON(nil, raw))
	if err != nil {
		return
	}
	text, err := json.Marshal(where)
	if err != nil {
		return
	}
	c.where = string(text)
	c.rec = &query.Record{Data: document.Stored(stored, enc.Names()), ID: 5, Order: document.Of(1), CreatedAt: 1_600_000_000_000}
	c.schema = query.Schema{Names: enc.Names(), Columns: func(name string) bool { return raw.Field(name).Kind() != document.Absent }}
	c.check(m)
}

// TestBoundsHold: whenever a random where matches a random document, each index on a path of the
// where proposes it.
func TestBoundsHold(t *testing.T) {
	c := &checker{t: t}
	g := indextest.New(5)
	for range *rounds {
		where := g.Where(2)
		for range 6 {
			c.try(where, g.Document())
		}
	}
	t.Logf("%d conditions, %d bounds, %d exact ones refused", c.paths, c.told, c.exact)
	if c.told < *rounds || c.exact < *rounds/10 {
		t.Error("too little was told")
	}
}

// TestBoundsHoldForVectors does so with the cases recorded from the original.
func TestBoundsHoldForVectors(t *testing.T) {
	f, err := os.Open("../../query/testdata/where.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	c := &checker{t: t}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	var all []any
	var wheres []json.RawMessage
	for lines.Scan() {
		var v struct {
			Query json.RawMessage
			Docs  []any
		}
		if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
			t.Fatal(err)
		}
		all, wheres = append(all, v.Docs...), append(wheres, v.Query)
		if len(wheres)%4 > 0 && *rounds < 100_000 {
			continue
		}
		for _, d := range v.Docs {
			c.try(v.Query, d)
			c.try(json.RawMessage(`{"a":`+string(v.Query)+`}`), map[string]any{"a": d})
		}
	}
	r := rand.New(rand.NewPCG(7, 8))
	for range *rounds {
		c.try(wheres[r.IntN(len(wheres))], all[r.IntN(len(all))])
	}
	t.Logf("%d conditions, %d bounds, %d exact ones refused", c.paths, c.told, c.exact)
	if c.told < 1000 {
		t.Error("too little was told")
	}
}

// FuzzBounds does so with any where and any document.
func FuzzBounds(f *testing.F) {
	g := indextest.New(9)
	for range 200 {
		where, err1 := json.Marshal(g.Where(2))
		doc, err2 := json.Marshal(g.Document())
		if err1 != nil || err2 != nil {
			f.Fatal(err1, err2)
		}
		f.Add(where, doc)
	}
	f.Fuzz(func(t *testing.T, where, doc []byte) {
		if !json.Valid(where) || !json.Valid(doc) {
			return
		}
		c := &checker{t: t}
		c.try(json.RawMessage(where), json.RawMessage(doc))
	})
}
