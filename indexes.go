package siftdb

import (
	"context"
	"slices"
	"strings"

	"github.com/siftdb/siftdb/internal/errs"
	"github.com/siftdb/siftdb/internal/index"
	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/storage"
)

// IndexSpec declares an index.
type IndexSpec struct {
	// Name is the index's own among those of its data source, of at most 100 bytes.
	Name string `json:"name"`
	// Fields are what it is sorted by, the first one first: at most 8.
	Fields []IndexField `json:"fields"`
	// Unique refuses writes after which two entries have the same value in all fields: equal
	// numbers, whatever their digits, the same text, or true or false. Null, absent columns,
	// arrays and objects never conflict; of an array each element counts.
	Unique bool `json:"unique,omitempty"`
	// Sparse leaves out entries in which every field is null or absent.
	Sparse bool `json:"sparse,omitempty"`
	// IgnoreCase makes no difference between capitals and small letters, nor between a number
	// and its text.
	IgnoreCase bool `json:"ignoreCase,omitempty"`
	// Trigram lists the entries by every three letters in a row of the one field, for searches
	// within texts.
	Trigram bool `json:"trigram,omitempty"`
}

// IndexField is a field of an index.
type IndexField struct {
	// Name is a name as in an order: a column, a path into one (a.b), or one of the entry
	// fields id, order, createdAt and updatedAt, which data. in front makes a column.
	Name string `json:"name"`
	Desc bool   `json:"desc,omitempty"` // from the largest to the smallest
}

// IndexInfo tells of an index.
type IndexInfo struct {
	IndexSpec
	// Ready says that queries use it; one that is being built is of no use yet.
	Ready bool `json:"ready"`
	// Progress is how much of the ids it has come past while it is being built, 0 to 1.
	Progress float64 `json:"progress"`
	Entries  int64   `json:"entries"` // in the index
	Keys     int64   `json:"keys"`    // under which these are listed
}

// maxIndexes is how many indexes a data source may have.
const maxIndexes = 64

func (s IndexSpec) def() (*index.Def, error) {
	def := &index.Def{Name: s.Name, Unique: s.Unique, Sparse: s.Sparse, IgnoreCase: s.IgnoreCase, Trigram: s.Trigram}
	for _, f := range s.Fields {
		def.Fields = append(def.Fields, index.Field(f))
	}
	return def, def.Validate()
}

func sameDef(a, b *index.Def) bool {
	return a.Name == b.Name && slices.Equal(a.Fields, b.Fields) && a.Unique == b.Unique && a.Sparse == b.Sparse &&
		a.IgnoreCase == b.IgnoreCase && a.Trigram == b.Trigram
}

// CreateIndex makes an index and returns when it is ready. Reads and writes go on meanwhile,
// and each write keeps it from then on. When ctx ends first, or the process does, the index
// stays unfinished: no query uses it, and it is gone on with by another call with the same
// declaration, or when the database is opened next. An index of the same declaration is
// left as it is; one of that name and another declaration is ErrConflict.
//
// A unique index over entries that have a value in common is ErrConflict, which names two of
// them, and leaves no index. A trigram index of an encrypted data source is ErrInvalidInput, and
// so is encrypting one that has such an index.
func (ds *DataSource) CreateIndex(ctx context.Context, spec IndexSpec) error {
	def, err := spec.def()
	if err != nil {
		return err
	}
	if err := firstError(ds.writable(), ds.managing(ctx, "create an index")); err != nil {
		return err
	}
	var ready bool
	_, err = ds.db.write(ctx, nil, func(t *tx) error {
		st, err := t.source(ds.id, false)
		if err == nil {
			ready, err = st.declare(def)
		}
		return err
	})
	if err != nil || ready {
		return err
	}
	return ds.db.finishIndexes(ctx, ds.id, def.Name)
}

// declare makes sure that there is an index, and reports whether it is ready.
func (st *sourceTx) declare(def *index.Def) (ready bool, err error) {
	if t := st.t; t.db.conceals(&st.src.def) {
		return false, unknownSource(st.id)
	}
	x, err := st.ownIndexes()
	if err != nil {
		return false, err
	}
	found := false
	for _, k := range x.kept {
		if k.def.Name != def.Name {
			continue
		}
		if !sameDef(k.def, def) {
			return false, &Error{Code: errs.Conflict, DataSourceID: st.id, Message: "data source " + itoa(st.id) + " has another index called " + quoted(def.Name)}
		}
		found, ready = true, ready || k.state.Phase == layout.IndexReady
	}
	if found {
		return ready, nil
	}
	if len(x.kept) >= maxIndexes {
		return false, errs.New(errs.TooLarge, "data source %d has %d indexes, and can have no more", st.id, maxIndexes)
	}
	return false, st.addIndex(def)
}

// DropIndex removes an index. It is gone when DropIndex returns; what it took in the storage
// may be freed later. A name that no index has is ErrNotFound.
func (ds *DataSource) DropIndex(ctx context.Context, name string) error {
	if err := firstError(ds.writable(), ds.managing(ctx, "drop an index")); err != nil {
		return err
	}
	_, err := ds.db.write(ctx, nil, func(t *tx) error {
		st, err := t.source(ds.id, false)
		if err != nil {
			return err
		}
		return st.undeclare(name)
	})
	if err != nil {
		return err
	}
	if err := ds.db.finishIndexes(ctx, ds.id, ""); err != nil {
		ds.db.indexer.begin(ds.db)
	}
	return nil
}

func (st *sourceTx) undeclare(name string) error {
	x, err := st.indexes()
	if err != nil {
		return err
	}
	var numbers []int64
	if x != nil && !st.t.db.conceals(&st.src.def) {
		for _, k := range x.kept {
			if k.def.Name == name {
				numbers = append(numbers, k.state.Number)
			}
		}
	}
	if len(numbers) == 0 {
		return &Error{Code: errs.NotFound, DataSourceID: st.id, Message: "data source " + itoa(st.id) + " has no index " + quoted(name)}
	}
	for _, number := range numbers {
		if err := st.dropIndex(number); err != nil {
			return err
		}
	}
	return nil
}

// ListIndexes lists the indexes of the data source by name. It is for admins, since
// indexes name columns.
func (ds *DataSource) ListIndexes(ctx context.Context) ([]IndexInfo, error) {
	if err := ds.managing(ctx, "list indexes"); err != nil {
		return nil, err
	}
	var list []IndexInfo
	err := ds.db.view(ctx, func(r storage.Reader) error {
		head, src, err := ds.db.load(r, ds.id, false)
		if err != nil {
			return err
		}
		states, err := layout.DecodeIndexes(head.Indexes)
		if err != nil {
			return err
		}
		list = []IndexInfo{}
		for _, state := range states.List {
			def := src.index(state.Number)
			if state.Phase == layout.IndexDropped || def == nil {
				continue
			}
			info := makeIndexInfo(def, state, head)
			if i := slices.IndexFunc(list, func(have IndexInfo) bool { return have.Name == def.Name }); i < 0 {
				list = append(list, info)
			} // else it is to take the place of that one
		}
		slices.SortFunc(list, func(a, b IndexInfo) int { return strings.Compare(a.Name, b.Name) })
		return nil
	})
	return list, err
}

func makeIndexInfo(def *index.Def, state layout.IndexState, head layout.Head) IndexInfo {
	stats := statsOf(state.Counts)
	info := IndexInfo{Ready: state.Phase == layout.IndexReady, Progress: 1, Entries: stats.Entries, Keys: stats.Keys}
	info.IndexSpec = IndexSpec{Name: def.Name, Unique: def.Unique, Sparse: def.Sparse, IgnoreCase: def.IgnoreCase, Trigram: def.Trigram}
	for _, f := range def.Fields {
		info.Fields = append(info.Fields, IndexField(f))
	}
	if !info.Ready && head.NextID > 0 {
		info.Progress = min(float64(state.Upto)/float64(head.NextID), 1)
	}
	return info
}

// ownIndexes is indexes for a write that is about them.
func (st *sourceTx) ownIndexes() (*indexing, error) {
	x, err := st.indexes()
	if x == nil && err == nil {
		x = &indexing{}
		st.indexing = x
	}
	return x, err
}

// addIndex adds an index that is still to be built. It may be there already under another
// number, which then goes when this one is ready.
func (st *sourceTx) addIndex(def *index.Def) error {
	x, err := st.ownIndexes()
	if err != nil {
		return err
	}
	k, err := st.newIndex(def)
	if err != nil {
		return err
	}
	x.moved = true
	return st.defineIndex(newIndexDef(k.state.Number, def))
}

// newIndex begins to keep an index under a new number.
func (st *sourceTx) newIndex(def *index.Def) (*keptIndex, error) {
	x := st.indexing
	keys, _, err := layout.ReadKeys(st.t.w, st.id)
	if err != nil {
		return nil, err
	}
	if keys.Target != 0 && def.Trigram {
		return nil, trigramsTell(st.id, def.Name)
	}
	if x.states.Top == layout.MaxIndex {
		return nil, errs.New(errs.TooLarge, "data source %d has used up the numbers of indexes", st.id)
	}
	x.states.Top++
	k := &keptIndex{def: def, was: st.src.frozen(), state: layout.IndexState{Number: x.states.Top, Cipher: keys.Target}}
	if k.hasher, err = st.t.db.indexHasher(st.t.w, st.id, keys.Target); err != nil {
		return nil, err
	}
	x.states.List = append(x.states.List, k.state)
	x.kept = append(x.kept, k)
	return k, nil
}

// trigramsTell refuses a trigram index of an encrypted data source: which texts have which
// trigrams in common would be seen in the file, though not the trigrams.
func trigramsTell(source int64, name string) error {
	return &Error{Code: errs.InvalidInput, DataSourceID: source, Message: "trigram index " + quoted(name) + " of data source " +
		itoa(source) + " would show in the file how alike encrypted texts are: a data source has either"}
}

// withoutTrigrams makes sure that no index is a trigram index.
func (st *sourceTx) withoutTrigrams() error {
	x, err := st.indexes()
	if err != nil || x == nil {
		return err
	}
	for _, k := range x.kept {
		if k.def.Trigram {
			return trigramsTell(st.id, k.def.Name)
		}
	}
	return nil
}

// defineIndex stores the definition of an index.
func (st *sourceTx) defineIndex(d indexDef) error {
	st.src.indexes = append(slices.Clone(st.src.indexes), d)
	st.head.Revision++
	return writeIndexDef(st.t.w, st.id, d)
}

// dropIndex ends an index. Its keys are removed later.
func (st *sourceTx) dropIndex(number int64) error {
	x, err := st.ownIndexes()
	if err != nil {
		return err
	}
	state := x.states.Find(number)
	if state == nil {
		return lostIndex(st.id, number)
	}
	*state = layout.IndexState{Number: number, Phase: layout.IndexDropped}
	x.kept = slices.DeleteFunc(x.kept, func(k *keptIndex) bool { return k.state.Number == number })
	x.moved = true
	st.src.indexes = slices.DeleteFunc(slices.Clone(st.src.indexes), func(d indexDef) bool { return d.number == number })
	st.head.Revision++
	return st.t.w.Delete(layout.Catalog, layout.IndexDefKey(st.id, number))
}

// confirmFields looks for indexes whose fields have come to lead to other columns: a name
// with dots that was a path is the name of a column now, or no longer. They are built anew;
// a unique one refuses the write, since nobody asked for what it would mean.
func (st *sourceTx) confirmFields() error {
	x, err := st.indexes()
	if err != nil || x == nil {
		return err
	}
	for _, k := range slices.Clone(x.kept) {
		if sameStems(k.def, k.was, st.src) {
			continue
		}
		if k.def.Unique {
			return &Error{Code: errs.Conflict, DataSourceID: st.id, Message: "the write changes which of the columns are called as a field of a unique index is"}
		}
		st.t.indexes = true
		again := !x.hasNewer(k)
		if err := st.dropIndex(k.state.Number); err != nil {
			return err
		}
		if again {
			if err := st.addIndex(k.def); err != nil {
				return err
			}
		}
	}
	return nil
}

// hasNewer reports whether an index is there under a later number too.
func (x *indexing) hasNewer(k *keptIndex) bool {
	return slices.ContainsFunc(x.kept, func(o *keptIndex) bool {
		return o.def.Name == k.def.Name && o.state.Number > k.state.Number
	})
}
