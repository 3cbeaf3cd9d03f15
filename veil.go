package siftdb

import (
	"slices"
	"sync"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/query"
	"github.com/siftdb/siftdb/security"
)

// veil hides columns of a data source from whoever reads through it. It takes them
// out of records before anything else looks at them, and out of what names resolve
// to: a hidden column is an absent one, wherever it is asked for (spec 11.9).
type veil struct {
	hides  func(column string) bool
	behind *veil // what is hidden even from views; nil when that is the same
	off    guards

	mu    sync.Mutex
	names *document.Names // what hidden is known for
	list  []bool          // by number: the columns that are hidden
}

// newVeil makes a veil of what a rule hides and of the columns that the definition
// excludes, which views may use all the same (spec 11.9).
func newVeil(columns security.Columns, excluded []string, off guards) *veil {
	if len(excluded) == 0 || off.has(guardExclude) {
		return &veil{hides: off.hides(columns.Hides), off: off}
	}
	return &veil{hides: off.hides(columns.Without(excluded...).Hides), behind: &veil{hides: off.hides(columns.Hides), off: off}, off: off}
}

// over returns a data source as it looks through the veil; nil hides nothing.
func (v *veil) over(src *source) *source {
	if v == nil {
		return src
	}
	veiled := *src
	veiled.veil = v
	veiled.setColumns(v.shown(src.columns))
	return &veiled
}

// shown returns the columns of a list that are not hidden; nil stays nil.
func (v *veil) shown(columns []string) []string {
	if v == nil || columns == nil {
		return columns
	}
	return slices.DeleteFunc(slices.Clone(columns), v.hides)
}

// hidden returns what is hidden, by number.
func (v *veil) hidden(names *document.Names) []bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.names != names {
		v.names, v.list = names, make([]bool, names.Len())
		for i := range v.list {
			v.list[i] = v.hides(names.Name(uint16(i)))
		}
	}
	return v.list
}

// lift takes the columns that are hidden out of a record. It leaves the stored bytes
// alone.
func (s *source) lift(rec *layout.Record) {
	if s.veil != nil && rec.Doc != nil {
		rec.Doc = s.veil.lift(s.names, rec.Doc)
	}
}

// lift returns a copy of a stored document without the columns that are hidden.
func (v *veil) lift(names *document.Names, doc []byte) []byte {
	hidden := v.hidden(names)
	return document.Select(nil, doc, func(col uint16, inline string) bool {
		if int(col) < len(hidden) {
			return !hidden[col] || v.off.has(guardStored)
		}
		return inline != "" && (!v.hides(inline) || v.off.has(guardInline)) // a number that nobody knows shows nothing
	})
}

// sight is what is seen of records through a veil. Views may use columns that the
// definition excludes, so they judge a record before it loses these.
type sight struct {
	src  *source
	view matching // with no where when views see what everybody sees
	full source   // what views see
}

// newSight makes a sight of a data source, and returns it with the condition that is
// left to be tested on what is seen.
func newSight(src *source, c *compiled, session *security.Session) (*sight, *query.Matcher, error) {
	s := &sight{src: src}
	if src.veil == nil || src.veil.behind == nil && !src.veil.off.has(guardViewsBehind) || len(c.views) == 0 {
		where, err := c.filter(src, session)
		return s, where, err
	}
	views := &compiled{where: query.All(), views: c.views}
	full := *src
	if full.veil = src.veil.behind; src.veil.off.has(guardViewsBehind) {
		full.veil = nil
	}
	filter, err := views.filter(&full, session)
	if err != nil {
		return nil, nil, err
	}
	s.full = full
	s.view.bindTo(src.id, &s.full, filter)
	return s, c.where, nil
}

// filters reports whether views judge records apart from the where.
func (s *sight) filters() bool { return s != nil && s.view.where != nil }

// see takes out of a record what is hidden, and reports whether the views let it
// through.
func (s *sight) see(rec *layout.Record) bool {
	if s.view.where != nil {
		full := *rec
		s.full.lift(&full)
		if ok, _ := s.view.match(&full); !ok {
			return false
		}
	}
	if s.src.veil == nil || !s.src.veil.off.has(guardSight) {
		s.src.lift(rec)
	}
	return true
}
