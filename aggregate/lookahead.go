package aggregate

import "slices"

// A $lookup to which few documents come reads of the other collection what may match them, and
// not all of it. To know that they are few it looks ahead: as far as this.
const (
	aheadDocuments = 1000
	aheadBytes     = 1 << 20
)

// searches reports whether the stage may read less than the whole collection. Inside of other
// stages it runs again and again, and a collection that is read once serves it better.
func (s *lookup) searches(with *settings) bool {
	if with.search == nil || !s.once || s.foreign == nil || s.pipeline != nil || noColumn(s.foreignName) != "" {
		return false
	}
	_, own := with.write[s.from.str]
	return !own || s.from.kind != String
}

// lookahead is the documents that wait until it is known whether they are few.
type lookahead struct {
	*lookup
	env    *env
	docs   []Value
	values []Value // that they look for, each once
	seen   set
	bytes  int
	whole  bool // the collection is read whole
}

// ahead is run with a look ahead.
func (s *lookup) ahead(e *env, in seq) seq {
	return func(yield func(Value, error) bool) {
		l := &lookahead{lookup: s, env: e, seen: set{}}
		give := func(v Value, err error) bool {
			if err != nil {
				v = Value{}
			}
			return yield(v, err) && err == nil
		}
		for doc, err := range in {
			if err == nil && !l.whole {
				if l.wait(doc); !l.whole {
					continue
				}
			} else if err == nil {
				if !l.one(doc, give) {
					return
				}
				continue
			}
			// What waits comes before the error.
			if !l.flush(give) || err != nil && !give(Value{}, err) {
				return
			}
		}
		l.flush(give)
	}
}

// wait lets a document wait, and settles on the whole collection when that makes too many, or when
// it looks for something that a where cannot.
func (l *lookahead) wait(doc Value) {
	doc = l.env.run.detach(doc)
	l.docs = append(l.docs, doc)
	n := weight(doc)
	l.bytes += n
	err := l.env.run.hold(l.path, n)
	v := get(doc, l.local)
	if v.kind == Missing {
		v = null
	}
	l.values = l.seen.addNew(l.values, []Value{v})
	l.whole = err != nil || !isPlain(v) || len(l.docs) > aheadDocuments || l.bytes > aheadBytes
}

// one gives a document with what belongs to it of the whole collection.
func (l *lookahead) one(doc Value, give func(Value, error) bool) bool {
	c, err := l.env.run.collection(l.path, l.from)
	if err == nil {
		doc, err = l.join(l.env, c, doc)
	}
	return give(doc, err)
}

// flush gives the documents that wait.
func (l *lookahead) flush(give func(Value, error) bool) bool {
	r := l.env.run
	docs := l.docs
	l.docs = nil
	r.drop(l.bytes)
	l.bytes = 0
	if len(docs) == 0 {
		return true
	}
	c, free, err := l.needed()
	if err != nil {
		return give(Value{}, err)
	}
	defer free()
	for _, doc := range docs {
		if doc, err = l.join(l.env, c, doc); !give(doc, err) {
			return false
		}
	}
	return true
}

// needed reads what the documents that wait need of the collection; free gives its memory back.
func (l *lookahead) needed() (c *collection, free func(), err error) {
	r := l.env.run
	where := whereIn(l.foreignName, l.values)
	if _, read := r.cache[string(appendKey(nil, l.from))]; read || l.whole || where == nil {
		c, err = r.collection(l.path, l.from)
		return c, func() {}, err
	}
	c = &collection{}
	free = func() { r.drop(c.held) }
	docs, all := r.search(r.ctx, sourceName(l.from), where)
	for v, err := range docs {
		if err == nil {
			err = c.add(r, l.path, l.from, v)
		}
		if err != nil {
			free()
			return nil, nil, err
		}
	}
	r.allow(max(0, int(all)-len(c.docs))) // as if it had read them all
	return c, free, nil
}

// Searched gives the paths by which $lookup stages search the collection that from names, as
// Sources does, when few documents come to them; each once.
func (p *Pipeline) Searched(from any) (paths []string) {
	for _, s := range p.stages {
		l, ok := s.(*lookup)
		if ok && l.searches(&p.settings) && sourceName(l.from) == from && !slices.Contains(paths, l.foreignName) {
			paths = append(paths, l.foreignName)
		}
	}
	return paths
}
