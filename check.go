package siftdb

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/errs"
	"github.com/siftdb/siftdb/internal/history"
	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/internal/sealed"
	"github.com/siftdb/siftdb/storage"
)

// Finding is one thing that is wrong with a database.
type Finding struct {
	// Kind is one of checksum, decode, missing-entry, extra-entry, order,
	// history-gap, history-no-doc, counter, columns, block, outbox-orphan, index-missing,
	// index-extra, index-unique, plain (not encrypted, where it should be).
	Kind         string
	Keyspace     string // where it was found
	DataSourceID int64  // 0 when it concerns the store
	EntryID      int64  // 0 when it concerns no one entry
	Message      string // a sentence
}

// String returns the finding as one line.
func (f Finding) String() string {
	return fmt.Sprintf("%s in %s, data source %d, entry %d: %s", f.Kind, f.Keyspace, f.DataSourceID, f.EntryID, f.Message)
}

// Report is what Check found.
type Report struct {
	DataSources int
	Entries     int64
	Versions    int64
	Findings    []Finding // empty when the database is sound
}

// Err returns nil for a sound database, and otherwise ErrCorrupt with the first
// findings.
func (r *Report) Err() error {
	if len(r.Findings) == 0 {
		return nil
	}
	text := ""
	for _, f := range r.Findings[:min(len(r.Findings), 5)] {
		text += "\n\t" + f.String()
	}
	return errs.New(errs.Corrupt, "the check found %d faults:%s", len(r.Findings), text)
}

// maxFindings is where a check stops looking.
const maxFindings = 1000

// Check reads the whole database and compares its parts: every checksum, every
// document, the counts and digests of the heads, the list of ordered entries, the
// columns, the owners of id blocks, the indexes, the outbox with its list of what is due, and the
// log, whose images must lead back from the entries of today to the count and digest
// that each version recorded. It holds one snapshot per data source. The error is for
// a check that could not be made; faults are in the report.
func (db *DB) Check(ctx context.Context) (*Report, error) {
	if err := db.everything("check the database"); err != nil {
		return nil, err
	}
	report := new(Report)
	var sources []int64
	err := db.view(ctx, func(r storage.Reader) error {
		c := &checker{db: db, r: r, report: report}
		sources = c.store()
		return c.err
	})
	for _, id := range sources {
		if err != nil {
			return nil, err
		}
		if err = ctx.Err(); err != nil {
			return nil, err
		}
		err = db.view(ctx, func(r storage.Reader) error {
			c := &checker{db: db, r: r, report: report, source: id}
			c.dataSource()
			return c.err
		})
	}
	return report, err
}

// checker checks one data source, or the store, on one snapshot.
type checker struct {
	db     *DB
	r      storage.Reader
	report *Report
	source int64
	head   layout.Head
	names  *document.Names
	meta   layout.Meta
	err    error // the storage failed

	staged bool             // there may be entries and images that do not count
	sums   map[int64]uint64 // checksums of the entries of today
}

func (c *checker) find(kind string, ks storage.Keyspace, entry int64, format string, args ...any) {
	if len(c.report.Findings) < maxFindings {
		c.report.Findings = append(c.report.Findings, Finding{kind, string(ks), c.source, entry, fmt.Sprintf(format, args...)})
	}
}

// fault notes what is wrong with a record as a finding; an error of the storage
// ends the check.
func (c *checker) fault(ks storage.Keyspace, entry int64, err error) bool {
	var own *Error
	switch {
	case err == nil:
		return false
	case errors.As(err, &own):
		c.find("checksum", ks, entry, "%v", err)
	default:
		c.err = err
	}
	return true
}

// scan visits a range of keys.
func (c *checker) scan(ks storage.Keyspace, from, to []byte, visit func(key, value []byte)) {
	if c.err != nil {
		return
	}
	c.err = sealed.Each(c.r, ks, from, to, func(key, value []byte, err error) bool {
		if !c.fault(ks, 0, err) {
			visit(key, value)
		}
		return c.err == nil && len(c.report.Findings) < maxFindings
	})
}

// store checks the counters of the store and returns the ids of its data sources.
func (c *checker) store() []int64 {
	meta, ok, err := layout.ReadMeta(c.r)
	if c.fault(layout.Heads, 0, err) {
		return nil
	}
	if !ok {
		c.find("counter", layout.Heads, 0, "the store has no counters")
		return nil
	}
	var ids []int64
	from, to := layout.HeadRange()
	c.scan(layout.Heads, from, to, func(key, _ []byte) {
		ids = append(ids, layout.SourceOf(key))
		if id := layout.SourceOf(key); id >= meta.NextSource {
			c.find("counter", layout.Heads, 0, "data source %d has an id that was not given out", id)
		}
	})
	known := make(map[int64]bool, len(ids))
	for _, id := range ids {
		known[id] = true
	}
	from, to = layout.BlockRange()
	staged, err := layout.Staged(c.r)
	if err != nil {
		c.err = err
		return nil
	}
	c.scan(layout.Catalog, from, to, func(key, _ []byte) {
		block := layout.BlockOf(key)
		if block >= meta.NextBlock && len(staged) > 0 {
			return // it does not count, or not yet
		}
		owner, err := layout.BlockOwner(c.r, block)
		if !c.fault(layout.Catalog, 0, err) && (!known[owner] || block >= meta.NextBlock) {
			c.find("block", layout.Catalog, 0, "block %d belongs to data source %d, which does not exist, or was not given out", block, owner)
		}
	})
	from, to = layout.KeysRange()
	c.scan(layout.Catalog, from, to, func(key, _ []byte) {
		if id := layout.SourceOf(key); !known[id] {
			c.find("extra-entry", layout.Catalog, 0, "there are keys of data source %d, which does not exist", id)
		}
	})
	pending, err := layout.Indexing(c.r)
	if err != nil {
		c.err = err
		return nil
	}
	for _, id := range pending {
		if !known[id] {
			c.find("index-extra", layout.Catalog, 0, "indexes of data source %d are to be built, which does not exist", id)
		}
	}
	c.byName(known)
	for _, ks := range layout.OfSources {
		c.orphans(ks, known)
	}
	return ids
}

// byName checks that the keys that find data sources by name lead to data sources
// of that name.
func (c *checker) byName(known map[int64]bool) {
	from, to := layout.ByNameAll()
	c.scan(layout.Catalog, from, to, func(key, _ []byte) {
		id := layout.ByNameSource(key)
		var def definition
		text, err := layout.ReadSource(c.r, id)
		if !known[id] || err != nil || json.Unmarshal(text, &def) != nil || !bytes.Equal(key, def.nameKey(id)) {
			c.find("extra-entry", layout.Catalog, 0, "a name leads to data source %d, which has another or does not exist", id)
		}
	})
}

// orphans looks for keys of data sources that do not exist.
func (c *checker) orphans(ks storage.Keyspace, known map[int64]bool) {
	var from []byte
	for c.err == nil {
		cur := sealed.Raw(c.r).Scan(ks, from, nil, false)
		key, _, ok := cur.Next()
		if c.err = cur.Err(); !ok || c.err != nil {
			return
		}
		source := layout.KeySource(key)
		if !known[source] {
			kind := "extra-entry"
			if ks == layout.Outbox || ks == layout.Dues {
				kind = "outbox-orphan"
			}
			c.find(kind, ks, 0, "keyspace %s holds keys of data source %d, which does not exist", ks, source)
		}
		if _, from = layout.Prefix(source); from == nil {
			return
		}
	}
}

// dataSource checks one data source.
func (c *checker) dataSource() {
	var ok bool
	if c.meta, _, c.err = layout.ReadMeta(c.r); c.err != nil {
		return
	}
	var err error
	c.head, ok, err = layout.ReadHead(c.r, c.source)
	if c.fault(layout.Heads, 0, err) || !ok {
		return // purged since
	}
	src, err := readSource(c.r, c.source, c.head, nil)
	if c.fault(layout.Catalog, 0, err) {
		return
	}
	c.names = src.names
	if found, err := c.r.Get(layout.Catalog, src.def.nameKey(c.source)); err == nil && found == nil {
		c.find("missing-entry", layout.Catalog, 0, "the name %q does not lead to its data source", src.def.Name)
	}
	staged, err := layout.Staged(c.r)
	if c.fault(layout.Catalog, 0, err) {
		return
	}
	if c.staged = slices.Contains(staged, c.source); c.head.Staged && !c.staged {
		c.find("counter", layout.Heads, 0, "the head tells of a write in several transactions, of which there is no mark")
	}
	c.report.DataSources++
	c.sealed(&src.def)
	c.entries()
	c.orders()
	c.history()
	c.outbox()
	c.indexes(src)
}

// sealed checks that everything of an encrypted data source is, and is as it was stored.
func (c *checker) sealed(def *definition) {
	if !def.Encrypted {
		return
	}
	keys, _, err := layout.ReadKeys(c.r, c.source)
	if c.fault(layout.Catalog, 0, err) {
		return
	}
	if !keys.Only {
		c.find("plain", layout.Catalog, 0, "the data source is to be encrypted, and its keys do not say so")
	}
	raw := checker{r: sealed.Raw(c.r), report: c.report, source: c.source}
	for _, rg := range layout.ContentRanges(c.source) {
		raw.scan(rg.Keyspace, rg.From, rg.To, func(key, value []byte) {
			number, err := sealed.Verify(rg.Keyspace, key, value)
			if _, known := keys.Find(number); !raw.fault(rg.Keyspace, 0, err) && !known {
				raw.find("plain", rg.Keyspace, 0, "the value of key %x is not encrypted, or with a key that is not known", key)
			}
		})
	}
	c.err = firstError(c.err, raw.err)
}

// entries checks every entry, and their sum against the head.
func (c *checker) entries() {
	var n, ordered int64
	var digest layout.Digest
	c.sums = make(map[int64]uint64)
	block, owned := int64(-1), false
	from, to := layout.EntryRange(c.source, 0)
	if c.staged {
		to = layout.EntryKey(c.source, c.head.NextID)
	}
	c.scan(layout.Entries, from, to, func(key, value []byte) {
		var rec layout.Record
		id := layout.EntryID(key)
		faulty := c.fault(layout.Entries, id, rec.DecodeEntry(key, value))
		if !faulty && c.toCome(&rec) {
			return
		}
		c.report.Entries++
		if n++; faulty {
			return
		}
		digest.Add(rec.Sum)
		c.sums[id] = rec.Sum
		if rec.Order != nil {
			ordered++
			order, err := c.r.Get(layout.Orders, layout.OrderKey(c.source, rec.OrderValue(), id))
			if err == nil && order == nil {
				c.find("order", layout.Orders, id, "the entry has order %v but is not listed", rec.OrderValue())
			}
		}
		if id/layout.BlockSize != block {
			block = id / layout.BlockSize
			owner, err := layout.BlockOwner(c.r, block)
			owned = !c.fault(layout.Catalog, id, err) && owner == c.source
		}
		if !owned {
			c.find("block", layout.Catalog, id, "the entry stands in a block of ids that its data source does not own")
		}
		if rec.Born > rec.Changed || rec.Changed > c.head.Last || id >= c.head.NextID && id < c.head.BlockEnd {
			c.find("counter", layout.Entries, id, "born %d, changed %d and the id do not fit a data source last changed by %d", rec.Born, rec.Changed, c.head.Last)
		}
		c.document(layout.Entries, id, rec.Doc)
	})
	if c.err == nil && (n != c.head.Count || ordered != c.head.Ordered || digest != c.head.Digest) {
		c.find("counter", layout.Heads, 0, "%d entries, %d of them with an order, where the head counts %d and %d, or their digest differs", n, ordered, c.head.Count, c.head.Ordered)
	}
}

// toCome reports whether an entry is one that a write in several transactions is bringing back:
// it does not count, or not yet.
func (c *checker) toCome(rec *layout.Record) bool {
	return c.staged && c.head.Staged && rec.Changed > c.head.Last
}

// document checks that every field of a document can be read.
func (c *checker) document(ks storage.Keyspace, id int64, doc []byte) {
	if err := document.Verify(doc, c.names); err != nil {
		c.find("decode", ks, id, "%v", err)
	}
}

// orders checks that the list of ordered entries names entries of that order.
func (c *checker) orders() {
	from, to := layout.Prefix(c.source)
	c.scan(layout.Orders, from, to, func(key, _ []byte) {
		order, id := layout.OrderParts(key)
		var rec layout.Record
		entryKey := layout.EntryKey(c.source, id)
		value, err := c.r.Get(layout.Entries, entryKey)
		if err != nil || value == nil || rec.DecodeEntry(entryKey, value) != nil || rec.OrderValue() != order {
			c.find("order", layout.Orders, id, "an entry is listed with order %v that has another, or does not exist", order)
		}
	})
}

// history checks the log: headers without gaps, an image for every entry that a
// version changed and no other, and states that lead back to what was recorded.
func (c *checker) history() {
	var versions []*history.Version
	whole := true
	for v, err := range history.Range(c.r, c.source, 0, 0, false) {
		if whole = !c.fault(layout.Versions, 0, err); !whole {
			break
		}
		versions = append(versions, v)
		c.report.Versions++
	}
	images := c.images()
	if !whole {
		return // what it would be held against cannot be read
	}
	c.chain(versions)
	count, digest := c.head.Count, c.head.Digest
	for i := len(versions) - 1; i >= 0 && c.err == nil; i-- {
		v := versions[i]
		for id := range v.Inserted.All() {
			sum, ok := c.sums[id]
			if !ok {
				c.find("history-no-doc", layout.Versions, id, "version %d created an entry that does not exist after it", v.ID)
			}
			digest.Remove(sum)
			delete(c.sums, id)
			count--
		}
		for _, set := range []history.IDSet{v.Updated, v.Deleted} {
			for id := range set.All() {
				if sum, ok := c.sums[id]; ok {
					digest.Remove(sum)
					count--
				}
				sum, ok := images[imageID{id, v.ID}]
				if !ok {
					c.find("history-no-doc", layout.Images, id, "version %d changed the entry but has no image of it", v.ID)
					continue
				}
				delete(images, imageID{id, v.ID})
				c.sums[id] = sum
				digest.Add(sum)
				count++
			}
		}
		if count != v.Count || digest != v.Digest {
			c.find("history-gap", layout.Versions, 0, "version %d recorded %d entries; the log leads back to %d, or to others", v.ID, v.Count, count)
			return
		}
	}
	for image := range images {
		c.find("extra-entry", layout.Images, image.id, "an image of version %d that the version does not name", image.version)
	}
}

// chain checks that versions follow each other.
func (c *checker) chain(versions []*history.Version) {
	seq, previous, lastTime := c.head.FirstSeq, c.head.Floor, c.head.FloorTime
	for i, v := range versions {
		if v.Seq != seq || i > 0 && v.Previous != previous || v.ID <= previous && i > 0 || v.Time < lastTime {
			c.find("history-gap", layout.Versions, 0, "version %d has number %d after version %d, where number %d was due", v.ID, v.Seq, previous, seq)
			return
		}
		if _, err := layout.ReadColumns(c.r, c.source, v.Columns); err != nil {
			c.find("columns", layout.Catalog, 0, "the columns of version %d: %v", v.ID, err)
		}
		seq, previous, lastTime = seq+1, v.ID, v.Time
	}
	if seq != c.head.Seq+1 || len(versions) > 0 && previous != c.head.Last || c.head.Last > c.meta.Commit {
		c.find("history-gap", layout.Versions, 0, "the newest version is %d with number %d, where the head says %d with number %d", previous, seq-1, c.head.Last, c.head.Seq)
	}
}

// imageID names an image.
type imageID struct{ id, version int64 }

// images checks every image and returns the checksum that its entry had.
func (c *checker) images() map[imageID]uint64 {
	images := make(map[imageID]uint64)
	from, to := layout.Prefix(c.source)
	c.scan(layout.Images, from, to, func(key, value []byte) {
		var rec layout.Record
		id := layout.EntryID(key)
		if c.staged && layout.ImageVersion(key) > c.meta.Commit || c.fault(layout.Images, id, rec.DecodeImage(key, value)) {
			return
		}
		_, sum := rec.EncodeEntry(layout.EntryKey(c.source, id))
		images[imageID{id, layout.ImageVersion(key)}] = sum
		c.document(layout.Images, id, rec.Doc)
	})
	return images
}
