package siftdb_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/siftdb/siftdb"
)

// The model is the whole API done naively: every version is a full copy, every
// query a loop. Thousands of random operations run on it and on a database, and
// both must agree on every answer.

// row is an entry of the model. Data are kept as JSON text per key, in order.
type row struct {
	id               int64
	keys             []string
	values           map[string]string
	order            float64
	created, updated int64
}

func (r row) clone() row {
	r.keys = slices.Clone(r.keys)
	values := make(map[string]string, len(r.values))
	for k, v := range r.values {
		values[k] = v
	}
	r.values = values
	return r
}

func (r *row) set(key, value string) {
	if _, ok := r.values[key]; !ok {
		r.keys = append(r.keys, key)
	}
	r.values[key] = value
}

func (r row) json() string {
	parts := make([]string, len(r.keys))
	for i, k := range r.keys {
		key, _ := json.Marshal(k)
		parts[i] = string(key) + ":" + r.values[k]
	}
	return "{" + strings.Join(parts, ",") + "}"
}

func (r row) String() string {
	return fmt.Sprintf("%d %s order %v created %d updated %d", r.id, r.json(), r.order, r.created, r.updated)
}

type modelVersion struct {
	id      int64
	action  string
	time    int64
	rows    []row
	columns []string
}

type modelSource struct {
	id       int64
	rows     []row // by id
	columns  []string
	versions []modelVersion
	trashed  bool
}

func cloneRows(rows []row) []row {
	out := make([]row, len(rows))
	for i, r := range rows {
		out[i] = r.clone()
	}
	return out
}

func (s *modelSource) find(id int64) int {
	return slices.IndexFunc(s.rows, func(r row) bool { return r.id == id })
}

func (s *modelSource) meet(r row) {
	for _, k := range r.keys {
		if !slices.Contains(s.columns, k) {
			s.columns = append(s.columns, k)
		}
	}
}

func inOrder(rows []row) []row {
	out := cloneRows(rows)
	slices.SortStableFunc(out, func(a, b row) int {
		if a.order != b.order {
			if a.order < b.order {
				return -1
			}
			return 1
		}
		return int(a.id - b.id)
	})
	return out
}

func describe(rows []row) []string {
	out := []string{}
	for _, r := range rows {
		out = append(out, r.String())
	}
	return out
}

func describeEntries(entries []*siftdb.Entry) []string {
	out := []string{}
	for _, e := range entries {
		r := fmt.Sprintf("%d %s order %v created %d updated %d", e.ID, e.JSON(), e.Order, e.CreatedAt.UnixMilli(), e.UpdatedAt.UnixMilli())
		out = append(out, r)
	}
	return out
}

// machine drives a database and its model.
type machine struct {
	t       *testing.T
	rng     *rand.Rand
	db      *siftdb.DB
	path    string // empty for memory
	clock   *handClock
	commit  int64
	sources []*modelSource
	steps   []string
}

var ctx = context.Background()

func (m *machine) options() *siftdb.Options {
	return &siftdb.Options{Now: m.clock.read, Keys: oneKey}
}

func (m *machine) open() {
	var err error
	if m.path == "" {
		m.db, err = siftdb.OpenMemory(m.options())
	} else {
		m.db, err = siftdb.Open(ctx, m.path, m.options())
	}
	m.must(err)
	siftdb.ColumnsFrom(m.db, 1)
}

func (m *machine) must(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatalf("%v\nlast steps:\n%s", err, m.tail())
	}
}

func (m *machine) tail() string {
	return strings.Join(m.steps[max(len(m.steps)-12, 0):], "\n")
}

func (m *machine) log(format string, args ...any) {
	m.steps = append(m.steps, fmt.Sprintf(format, args...))
}

func (m *machine) equal(what string, want, got any) {
	m.t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		m.t.Fatalf("%s differs (-model +siftdb):\n%s\nlast steps:\n%s", what, diff, m.tail())
	}
}

// wrote notes a write of the model: it leaves a version unless nothing changed.
func (m *machine) wrote(s *modelSource, action string, before []row, columns []string, version int64) {
	m.t.Helper()
	if slices.Equal(describe(before), describe(s.rows)) && slices.Equal(columns, s.columns) {
		if version > 0 {
			m.t.Fatalf("%s left version %d although nothing changed\n%s", action, version, m.tail())
		}
		return
	}
	m.commit++
	if version >= 0 {
		m.equal("version of "+action, m.commit, version)
	}
	s.versions = append(s.versions, modelVersion{m.commit, action, m.clock.read().UnixMilli(), before, columns})
}

func (m *machine) pick() *modelSource {
	live := slices.DeleteFunc(slices.Clone(m.sources), func(s *modelSource) bool { return s.trashed })
	if len(live) == 0 {
		return nil
	}
	return live[m.rng.IntN(len(live))]
}

func (m *machine) handle(s *modelSource) *siftdb.DataSource {
	ds, err := m.db.DataSource(ctx, s.id)
	m.must(err)
	return ds
}

var words = []string{`"red"`, `"Green"`, `"blue"`, `"5"`, `""`, `null`, `true`, `1.10`, `12345678901234567890`, `[1,"x",{"k":2}]`, `{"deep":{"er":[7]}}`, `"héllo ✓"`}

// data makes the data of a row.
func (m *machine) data() row {
	r := row{values: map[string]string{}}
	r.set("n", strconv.Itoa(m.rng.IntN(10)))
	for _, k := range []string{"a", "b", "dotted.name", "x" + strconv.Itoa(m.rng.IntN(30))} {
		if m.rng.IntN(2) == 0 {
			r.set(k, words[m.rng.IntN(len(words))])
		}
	}
	return r
}

func (r row) raw() json.RawMessage { return json.RawMessage(r.json()) }

func (m *machine) someID(s *modelSource) int64 {
	if len(s.rows) == 0 || m.rng.IntN(12) == 0 {
		return 999_999_999
	}
	return s.rows[m.rng.IntN(len(s.rows))].id
}

func (m *machine) now() int64 { return m.clock.read().UnixMilli() }

// add stores new rows in the model under the ids that the database gave.
func (m *machine) add(s *modelSource, rows []row, ids []int64) {
	m.equal("number of ids", len(rows), len(ids))
	for i, r := range rows {
		r.id, r.created, r.updated = ids[i], m.now(), m.now()
		for _, other := range m.sources {
			if other.find(r.id) >= 0 {
				m.t.Fatalf("id %d was given out twice\n%s", r.id, m.tail())
			}
		}
		s.rows = append(s.rows, r)
		s.meet(r)
	}
	slices.SortFunc(s.rows, func(a, b row) int { return int(a.id - b.id) })
}

func (m *machine) step() {
	m.clock.move(time.Duration(m.rng.IntN(3)) * time.Millisecond)
	s := m.pick()
	if s == nil || len(m.sources) < 2 {
		m.create()
		return
	}
	before, columns := cloneRows(s.rows), slices.Clone(s.columns)
	ds := m.handle(s)
	switch op := m.rng.IntN(100); {
	case op < 18:
		r := m.data()
		m.log("insert into %d: %s", s.id, r.json())
		e, err := ds.Insert(ctx, r.raw())
		m.must(err)
		m.add(s, []row{r}, []int64{e.ID})
		m.equal("inserted", s.rows[s.find(e.ID)].String(), describeEntries([]*siftdb.Entry{e})[0])
		m.wrote(s, "insert", before, columns, e.Changed)
	case op < 36:
		m.update(s, ds, before, columns)
	case op < 42:
		id := m.someID(s)
		m.log("remove %d from %d", id, s.id)
		err := ds.Remove(ctx, id)
		if i := s.find(id); i < 0 {
			m.wantError(err, siftdb.ErrNotFound)
		} else {
			m.must(err)
			s.rows = slices.Delete(s.rows, i, i+1)
			m.wrote(s, "delete", before, columns, -1)
		}
	case op < 50:
		rows := []row{}
		raws := []any{}
		for range m.rng.IntN(6) {
			r := m.data()
			rows, raws = append(rows, r), append(raws, r.raw())
		}
		replace := m.rng.IntN(6) == 0
		m.log("bulk into %d: %d rows, replace %v", s.id, len(rows), replace)
		write := ds.Append
		if replace {
			write = ds.ReplaceWith
			s.rows = nil
		}
		result, err := write(ctx, raws)
		m.must(err)
		m.add(s, rows, result.IDs)
		m.wrote(s, "import", before, columns, result.Version)
	case op < 72:
		version := m.applyCommit(s, ds)
		if version != nil {
			m.wrote(s, "commit", before, columns, *version)
		}
	case op < 77:
		m.deleteQuery(s, ds, before, columns)
	case op < 82:
		m.updateWhere(s, ds, before, columns)
	case op < 88 && len(s.versions) > 0:
		v := s.versions[m.rng.IntN(len(s.versions))]
		m.log("restore %d to version %d", s.id, v.id)
		version, err := ds.Restore(ctx, v.id)
		m.must(err)
		s.rows, s.columns = cloneRows(v.rows), slices.Clone(v.columns)
		m.wrote(s, "pre-restore", before, columns, version)
	case op < 90:
		m.trash(s, ds)
	case op < 92 && m.path != "":
		m.log("reopen")
		m.must(m.db.Close())
		m.open()
	case op < 93 && len(m.sources) < 5:
		m.create()
	case op < 95:
		m.encrypt(ds)
	case op < 97:
		m.index(ds)
	default:
		m.query(s, ds)
	}
	m.compare(s)
}

func (m *machine) wantError(err, want error) {
	m.t.Helper()
	if !errors.Is(err, want) {
		m.t.Fatalf("got error %v, want %v\n%s", err, want, m.tail())
	}
}

// compare holds the whole data source against the model.
func (m *machine) compare(s *modelSource) {
	if s.trashed {
		return
	}
	ds := m.handle(s)
	entries, err := ds.Find(ctx, siftdb.Query{})
	m.must(err)
	m.equal("entries", describe(inOrder(s.rows)), describeEntries(entries))
	info, err := ds.Info(ctx)
	m.must(err)
	m.equal("columns", s.columns, info.Columns)
	m.equal("count", int64(len(s.rows)), info.EntriesCount)
	versions, err := ds.Versions(ctx, siftdb.Page{})
	m.must(err)
	want, got := []string{}, []string{}
	for _, v := range s.versions {
		if v.action == "create" {
			continue // in the log, but not listed
		}
		want = append(want, fmt.Sprint(v.id, v.action, len(v.rows), v.columns))
	}
	for _, v := range versions {
		got = append(got, fmt.Sprint(v.ID, v.Action, v.Count, v.Columns))
	}
	slices.Reverse(got)
	m.equal("versions", want, got)
	if len(s.versions) > 0 && m.rng.IntN(4) == 0 {
		m.compareVersions(s, ds)
	}
}

// compareVersions reads an old version and its difference to another.
func (m *machine) compareVersions(s *modelSource, ds *siftdb.DataSource) {
	a, b := s.versions[m.rng.IntN(len(s.versions))], s.versions[m.rng.IntN(len(s.versions))]
	entries, err := ds.VersionEntries(ctx, a.id, siftdb.VersionQuery{})
	m.must(err)
	m.equal(fmt.Sprintf("entries of version %d", a.id), describe(inOrder(a.rows)), describeEntries(entries))
	changes := map[int64][2]string{}
	for c, err := range ds.Diff(ctx, a.id, b.id) {
		m.must(err)
		var sides [2]string
		for i, e := range []*siftdb.Entry{c.Before, c.After} {
			if e != nil {
				sides[i] = describeEntries([]*siftdb.Entry{e})[0]
			}
		}
		changes[c.ID()] = sides
	}
	want := map[int64][2]string{}
	for _, r := range a.rows {
		want[r.id] = [2]string{r.String(), ""}
	}
	for _, r := range b.rows {
		if w := want[r.id]; w[0] == r.String() {
			delete(want, r.id)
		} else {
			want[r.id] = [2]string{w[0], r.String()}
		}
	}
	m.equal(fmt.Sprintf("difference of versions %d and %d", a.id, b.id), want, changes)
}

func (m *machine) check() {
	report, err := m.db.Check(ctx)
	m.must(err)
	m.must(report.Err())
}

func TestModel(t *testing.T) {
	runs, steps := 6, 1000
	if testing.Short() {
		runs, steps = 2, 150
	}
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("SIFTDB_SEED"); text != "" {
		seed, _ = strconv.ParseUint(text, 10, 64)
		runs = 1
	}
	for _, engine := range []string{"memory", "bolt"} {
		for run := range runs {
			seed := seed + uint64(run)
			t.Run(fmt.Sprintf("%s/seed=%d", engine, seed), func(t *testing.T) {
				t.Parallel()
				m := &machine{t: t, rng: rand.New(rand.NewPCG(seed, 1)), clock: &handClock{now: time.UnixMilli(1_700_000_000_000)}}
				if engine == "bolt" {
					m.path = filepath.Join(t.TempDir(), "model.db")
				}
				m.open()
				for i := range steps {
					m.step()
					if i%50 == 49 {
						m.check()
					}
				}
				m.check()
				m.must(m.db.Close())
			})
		}
	}
}
