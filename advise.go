package siftdb

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/siftdb/siftdb/internal/index"
	"github.com/siftdb/siftdb/query"
)

// Advice proposes an index.
type Advice struct {
	// Index is what CreateIndex would be called with.
	Index IndexSpec `json:"index"`
	// Queries is how many queries were asked that it would have helped, as far as is remembered.
	Queries int64 `json:"queries"`
	// Looked is how many entries these looked at, Found how many of them they wanted.
	Looked int64 `json:"looked"`
	Found  int64 `json:"found"`
	// Reason says why in a sentence.
	Reason string `json:"reason"`
}

// Advise looks at what was asked of the data source lately, since the database was opened, and
// proposes indexes that would have helped, the most helpful first. What is remembered are
// names of columns and numbers of entries, of a few kinds of queries that read all entries for
// few; no values, and nothing of queries that access rules restrict. It is for admins.
func (ds *DataSource) Advise(ctx context.Context) ([]Advice, error) {
	if err := ds.managing(ctx, "ask for advice"); err != nil {
		return nil, err
	}
	have, err := ds.ListIndexes(ctx)
	if err != nil {
		return nil, err
	}
	list := []Advice{}
	for _, a := range ds.db.advisor.of(ds.id) {
		if !slices.ContainsFunc(have, func(x IndexInfo) bool { return serves(x.IndexSpec, a.Index) }) {
			list = append(list, a)
		}
	}
	slices.SortFunc(list, func(a, b Advice) int {
		return cmp.Or(cmp.Compare(b.Looked-b.Found, a.Looked-a.Found), strings.Compare(a.Index.Name, b.Index.Name))
	})
	return list, nil
}

// serves reports whether an index does what another one would.
func serves(have, want IndexSpec) bool {
	return have.Trigram == want.Trigram && have.IgnoreCase == want.IgnoreCase && len(have.Fields) >= len(want.Fields) &&
		slices.EqualFunc(have.Fields[:len(want.Fields)], want.Fields, func(a, b IndexField) bool {
			return shortName(a.Name) == shortName(b.Name) && a.Desc == b.Desc
		})
}

// shortName is a name of a column without the "data." that it may have before it: not where the
// rest alone leads elsewhere.
func shortName(name string) string {
	rest, ok := strings.CutPrefix(name, "data.")
	if !ok || slices.Contains(entryKeys[:], rest) || strings.HasPrefix(rest, "data.") {
		return name
	}
	return rest
}

// Bounds of what is remembered.
const (
	adviseSources = 256  // data sources
	adviseKinds   = 32   // kinds of queries of each
	adviseName    = 100  // bytes of a name
	adviseFrom    = 1000 // entries that a query must look at
)

// advisor remembers queries that looked at many entries.
type advisor struct {
	mu      sync.Mutex
	sources map[int64][]Advice
}

// of returns what is remembered of a data source.
func (a *advisor) of(id int64) []Advice {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := slices.Clone(a.sources[id])
	for i := range list {
		list[i].Reason = fmt.Sprintf("%d queries looked at %d entries for %d", list[i].Queries, list[i].Looked, list[i].Found)
	}
	return list
}

// note remembers a query. Where there is no room, it takes the place of the least one.
func (a *advisor) note(id int64, spec IndexSpec, looked, found int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := a.sources[id]
	i := slices.IndexFunc(list, func(x Advice) bool { return x.Index.Name == spec.Name })
	if i < 0 {
		switch {
		case list == nil && len(a.sources) >= adviseSources:
			return
		case len(list) < adviseKinds:
			list = append(list, Advice{})
			i = len(list) - 1
		default:
			i = 0
			for j := range list {
				if list[j].Looked < list[i].Looked {
					i = j
				}
			}
		}
		list[i] = Advice{Index: spec}
	}
	list[i].Queries++
	list[i].Looked += looked
	list[i].Found += found
	if a.sources == nil {
		a.sources = make(map[int64][]Advice)
	}
	a.sources[id] = list
}

// advise remembers a query that has read all entries, if an index would have helped.
func (rd *reading) advise(where *query.Matcher, order Order, limited bool, found int64) {
	db := rd.ds.db
	if rd.scan == nil || rd.scan.count < adviseFrom || where == nil || !db.as.Unrestricted() || rd.st.source.veil != nil {
		return
	}
	if !limited {
		order = nil
	}
	if few := found*scanned < rd.scan.count; !few && order == nil {
		return
	}
	if spec, ok := adviceFor(where.Probe(), order); ok {
		db.advisor.note(rd.ds.id, spec, rd.scan.count, found)
	}
}

// adviceFor returns the index that would help with conditions, and with an order.
func adviceFor(probe *query.Probe, order Order) (spec IndexSpec, ok bool) {
	parts := []*query.Probe{probe}
	if probe.Kind == query.ProbeAnd {
		parts = probe.Parts
	}
	var equal, ranges, folded, texts []string
	for _, p := range parts {
		if p.Kind != query.ProbePath || len(p.Path()) > adviseName {
			continue
		}
		b := p.Values(false)
		switch f := p.Folded(); {
		case b.Points():
			equal = append(equal, p.Path())
		case !f.All && f.Points():
			folded = append(folded, p.Path())
		case b.Cost() < 2000:
			ranges = append(ranges, p.Path())
		default:
			if _, ok := p.Grams(); ok {
				texts = append(texts, p.Path())
			}
		}
	}
	slices.Sort(equal)
	for _, name := range equal[:min(len(equal), index.MaxFields/2)] {
		spec.Fields = append(spec.Fields, IndexField{Name: name})
	}
	switch {
	case len(order) > 0 && len(order) <= index.MaxFields/2:
		for _, key := range order {
			spec.Fields = append(spec.Fields, IndexField(key))
		}
	case len(ranges) > 0:
		spec.Fields = append(spec.Fields, IndexField{Name: slices.Min(ranges)})
	case len(equal) > 0:
	case len(folded) > 0:
		spec.Fields, spec.IgnoreCase = []IndexField{{Name: slices.Min(folded)}}, true
	case len(texts) > 0:
		spec.Fields, spec.Trigram = []IndexField{{Name: slices.Min(texts)}}, true
	}
	for i := range spec.Fields {
		spec.Fields[i].Name = shortName(spec.Fields[i].Name)
	}
	spec.Name = adviceName(spec)
	def, err := spec.def()
	return spec, err == nil && def.Name != ""
}

// adviceName names an index after its fields.
func adviceName(spec IndexSpec) string {
	var names []string
	for _, f := range spec.Fields {
		name := strings.TrimPrefix(f.Name, "data.")
		if f.Desc {
			name += " descending"
		}
		names = append(names, name)
	}
	if spec.Trigram {
		names = append(names, "trigrams")
	}
	if spec.IgnoreCase {
		names = append(names, "ignoring case")
	}
	return strings.Join(names, ", ")
}
