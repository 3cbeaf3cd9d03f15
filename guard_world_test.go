package siftdb_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/security"
)

// guardTWorld is one of two databases that went through the same writes and differ only
// in the values of hidden columns, and of rows that the rules never let the caller name.
type guardTWorld struct {
	t      testing.TB
	now    atomic.Int64
	root   *siftdb.DB
	secret *rand.Rand // gives what is hidden: another one in each world
	n      int        // how many writes the admin has made
	marker int        // of feeds

	people, orders, own *siftdb.DataSource // of trusted code
}

// What a stripped entry is shown with: Salary, Secret, Cost, Code and Level, which rules
// hide, and Pin, which the definition hides, are left out, and so are the ids of their files.
var guardTShown = []string{"Name", "Dept", "Score", "Tags", "Person", "Amount", "Owner", "Note", "marker", "bump"}

const (
	guardTPeopleRules = `[
		{"type":["select","count","delete","insert","update"],"allow":{"user":{"Role":{"equals":"boss"}}}},
		{"type":["select","count","delete"],"allow":{"user":{"Role":{"equals":"half"}}},"exclude":["Salary"]},
		{"type":["select","count","delete"],"allow":"loggedIn","exclude":["Salary","Secret"]},
		{"type":["insert","update"],"allow":"loggedIn"}]`
	guardTOrderRules = `[
		{"type":["select","count","delete","insert","update"],"allow":{"user":{"Role":{"equals":"boss"}}}},
		{"type":["select","count","delete"],"allow":{"user":{"Role":{"equals":"half"}}},"exclude":["Cost"]},
		{"type":["select","count","delete"],"allow":"loggedIn","exclude":["Cost","Code"]},
		{"type":["insert","update"],"allow":"loggedIn"}]`
	guardTOwnRules = `[{"type":["select","count","delete","insert","update"],"allow":"loggedIn","require":[{"Owner":{"equals":"{{user.Name}}"}}],"exclude":["Level"]}]`
	guardTViews    = `{"exclude":["Pin"],"views":[
		{"name":"rich","filter":{"Salary":{"$gt":40}}},
		{"name":"poor","filter":{"$nor":[{"Salary":{"$gt":40}},{"Secret.code":"a"}]}},
		{"name":"mine","filter":{"Secret.code":"session.Code"}},
		{"name":"same","filter":{"Dept":"x"}}]}`
)

func guardTPrincipal(role string) *security.Principal {
	return &security.Principal{TokenID: 7, User: map[string]any{"Name": "bob", "Role": role, "Code": "a"}}
}

// guardTBuild makes a world: shared gives what both have, secret what they do not.
func guardTBuild(t testing.TB, shared, secret *rand.Rand) *guardTWorld {
	w := &guardTWorld{t: t, secret: secret}
	w.now.Store(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).UnixMilli())
	w.root = memoryDB(t, &siftdb.Options{Now: func() time.Time { return time.UnixMilli(w.now.Load()) }})
	siftdb.ColumnsFrom(w.root, 1)
	create := func(name, rules, definition string) *siftdb.DataSource {
		return must[*siftdb.DataSource](t)(w.root.Create(ctx, siftdb.DataSourceSpec{Name: name, AccessRules: json.RawMessage(rules), Definition: json.RawMessage(definition)}))
	}
	w.people, w.orders = create("people", guardTPeopleRules, guardTViews), create("orders", guardTOrderRules, `{}`)
	w.own = create("own", guardTOwnRules, `{}`)
	private := create("private", `[]`, `{}`)
	var people, orders, own, hidden []any
	for range 9 {
		people, orders = append(people, w.person(shared)), append(orders, w.order(shared))
		own, hidden = append(own, w.owned(shared)), append(hidden, siftdb.M{"a": w.value(), "b": w.value()})
	}
	for _, fill := range []struct {
		ds   *siftdb.DataSource
		rows []any
	}{{w.people, people}, {w.orders, orders}, {w.own, own}, {private, hidden}} {
		must[siftdb.BulkResult](t)(fill.ds.Append(ctx, fill.rows))
	}
	for range 6 {
		w.adminWrite(shared.Uint64())
	}
	return w
}

// value is a hidden value of any kind.
func (w *guardTWorld) value() any {
	r := w.secret
	switch r.IntN(9) {
	case 0:
		return nil
	case 1:
		return r.IntN(2) == 0
	case 2:
		return []any{r.IntN(4) * 25, "a"}[:1+r.IntN(2)]
	case 3:
		return []string{"a", "b", "50", strings.Repeat("long", r.IntN(40))}[r.IntN(4)]
	case 4:
		return siftdb.M{"code": []any{"a", "b", 50}[r.IntN(3)], "list": []any{r.IntN(3), "a"}[r.IntN(2):]}
	}
	return r.IntN(5) * 25
}

func (w *guardTWorld) hide(row siftdb.M, columns ...string) siftdb.M {
	for _, c := range columns {
		if w.secret.IntN(3) > 0 { // absent is a value like any other
			row[c] = w.value()
		}
	}
	return row
}

var guardTNames = []string{"ann", "bob", "cat", "dan"}

func (w *guardTWorld) person(r *rand.Rand) siftdb.M {
	row := siftdb.M{"Name": guardTNames[r.IntN(4)], "Dept": []string{"x", "y"}[r.IntN(2)], "Score": r.IntN(5) * 25}
	if r.IntN(3) == 0 {
		row["Tags"] = []any{"a", r.IntN(3)}
	}
	return w.hide(row, "Salary", "Secret", "SecretMediaFileId", "Pin", "PinMediaFileId")
}

func (w *guardTWorld) order(r *rand.Rand) siftdb.M {
	return w.hide(siftdb.M{"Person": guardTNames[r.IntN(4)], "Amount": r.IntN(5) * 25}, "Cost", "Code")
}

// owned is a row of bob's, or one of somebody else, which has nothing that is not hidden.
func (w *guardTWorld) owned(r *rand.Rand) siftdb.M {
	if r.IntN(2) == 0 {
		return w.hide(siftdb.M{"Owner": "bob", "Note": r.IntN(4)}, "Level")
	}
	return w.hide(siftdb.M{"Owner": []string{"ann", "cat"}[w.secret.IntN(2)], "Note": w.value()}, "Level")
}

// adminWrite is a write of trusted code. It changes the same entries in both worlds, so
// every update sets a column that no other one set so.
func (w *guardTWorld) adminWrite(seed uint64) {
	r := rand.New(rand.NewPCG(seed, 1))
	w.n++
	var err error
	switch r.IntN(6) {
	case 0:
		_, err = w.people.Insert(ctx, w.person(r))
	case 1:
		_, err = w.orders.Insert(ctx, w.order(r))
	case 2:
		_, err = w.people.UpdateWhere(ctx, siftdb.M{"Name": guardTNames[r.IntN(4)]}, siftdb.Patch{Set: siftdb.M{"Salary": w.n*1000 + w.secret.IntN(999)}})
	case 3:
		_, err = w.people.UpdateWhere(ctx, siftdb.M{"Score": r.IntN(5) * 25}, siftdb.Patch{Set: siftdb.M{"Secret": siftdb.M{"code": w.value(), "n": w.n}}})
	case 4:
		_, err = w.orders.UpdateWhere(ctx, siftdb.M{"Person": guardTNames[r.IntN(4)]}, siftdb.Patch{Set: w.hide(siftdb.M{"bump": w.n}, "Cost", "Code")})
	case 5:
		_, err = w.own.Insert(ctx, w.owned(r))
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// tick moves the clock.
func (w *guardTWorld) tick() { w.now.Add(1000) }

// guardTView is how a principal is shown what it asked for. strip leaves out of entries
// what is hidden from the restricted principal: what is left of a difference came
// through something else than the columns themselves.
type guardTView struct {
	w     *guardTWorld
	db    *siftdb.DB
	strip bool
}

func (v guardTView) people() *siftdb.DataSource { return v.source(v.w.people) }
func (v guardTView) own() *siftdb.DataSource    { return v.source(v.w.own) }

func (v guardTView) source(ds *siftdb.DataSource) *siftdb.DataSource {
	return must[*siftdb.DataSource](v.w.t)(v.db.DataSource(ctx, ds.ID()))
}

// entry is all of an entry that a caller gets to see.
func (v guardTView) entry(e *siftdb.Entry) string {
	if e == nil {
		return "-"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d/%d order %v created %d updated %d changed %d ", e.DataSourceID, e.ID, e.Order, e.CreatedAt.UnixMilli(), e.UpdatedAt.UnixMilli(), e.Changed)
	if !v.strip {
		b.Write(must[[]byte](v.w.t)(json.Marshal(e)))
		return b.String()
	}
	for _, c := range guardTShown {
		if x, ok := e.Lookup(c); ok {
			fmt.Fprintf(&b, "%s=%v ", c, x)
		}
	}
	for _, j := range e.Joins {
		fmt.Fprintf(&b, "%s=%v[%s] ", j.Name, j.Value, v.entries(j.Entries))
	}
	return b.String()
}

func (v guardTView) entries(list []*siftdb.Entry) string {
	var b strings.Builder
	for _, e := range list {
		b.WriteString(v.entry(e))
		b.WriteByte('\n')
	}
	return b.String()
}

func (v guardTView) found(list []*siftdb.Entry, err error) string {
	return guardTError(err) + v.entries(list)
}

// version is what a version says, but for its key, which is of the database.
func (v guardTView) version(x siftdb.Version) string {
	columns := x.Columns
	if v.strip {
		columns = nil
	}
	return fmt.Sprint(x.ID, x.DataSourceID, x.Action, x.Source, x.User, columns, x.Count, x.CreatedAt, x.Inserted, x.Updated, x.Deleted)
}

func (v guardTView) change(c siftdb.Change) string {
	return v.entry(c.Before) + " -> " + v.entry(c.After) + "\n"
}

// guardTError is all that an error tells.
func guardTError(err error) string {
	if err == nil {
		return ""
	}
	var e *siftdb.Error
	if !errors.As(err, &e) {
		return "error " + err.Error()
	}
	return fmt.Sprintf("error %s: %s %s at %q %d %d %s", e.Code, err, e.Message, e.Path, e.DataSourceID, e.EntryID, e.Operation)
}

// guardTDeadline ends what has hung; nothing else depends on it.
const guardTDeadline = 30 * time.Second

func guardTContext(t testing.TB) (context.Context, func()) {
	t.Helper()
	return context.WithTimeout(ctx, guardTDeadline)
}
