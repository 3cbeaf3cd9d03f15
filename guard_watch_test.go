package siftdb_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/security"
)

const (
	guardTOpenRules   = `[{"type":"select","allow":"all"}]`
	guardTHiddenRules = `[{"type":"select","allow":"all","exclude":["Secret"]}]`
)

func guardTRule(t testing.TB, ds *siftdb.DataSource, rules string) {
	t.Helper()
	must[siftdb.DataSourceInfo](t)(ds.Update(ctx, siftdb.DataSourceUpdate{AccessRules: json.RawMessage(rules)}))
}

// guardTTrash puts a data source into the trash and takes it back.
func guardTTrash(t testing.TB, db *siftdb.DB, ds *siftdb.DataSource) {
	t.Helper()
	if err := ds.Delete(ctx); err != nil {
		t.Fatal(err)
	}
	must[*siftdb.DataSource](t)(db.RestoreDataSource(ctx, ds.ID()))
}

// guardTHear waits for the next of a subscription's calls, or its end.
func guardTHear(t testing.TB, c context.Context, s *siftdb.Subscription, calls <-chan string) string {
	t.Helper()
	select {
	case x := <-calls:
		return x
	case <-s.Done():
		return "ended: " + guardTCode(s.Err())
	case <-c.Done():
		t.Fatal("nothing was told")
	}
	return ""
}

func guardTListen(t testing.TB, c context.Context, ds *siftdb.DataSource, o siftdb.SubscribeOptions) (*siftdb.Subscription, <-chan string) {
	t.Helper()
	calls := make(chan string, 100)
	return must[*siftdb.Subscription](t)(ds.Subscribe(c, o, func(x siftdb.Changes) {
		calls <- strings.Join(texts(append(append(x.Inserted, x.Updated...), x.Deleted...)), " ")
	})), calls
}

// TestGuardSubscriptionRules: a subscription asks the rules again when they have changed.
func TestGuardSubscriptionRules(t *testing.T) {
	c, cancel := guardTContext(t)
	defer cancel()
	db := memoryDB(t, nil)
	ds := guardTSource(t, db, "t", guardTOpenRules, `{}`, `{"Secret":"old"}`)
	bob := ds.As(guardTUser(siftdb.M{}))
	s, calls := guardTListen(t, c, bob, siftdb.SubscribeOptions{Where: siftdb.M{"A": siftdb.M{"$gt": 0}}})
	write := func(n int) { must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{"A": n, "Secret": "s3cret"})) }

	write(1)
	guardTExpect(t, "before", guardTHear(t, c, s, calls), `{"A":1,"Secret":"s3cret"}`)
	guardTRule(t, ds, guardTHiddenRules)
	write(2)
	guardTExpect(t, "once it is hidden", guardTHear(t, c, s, calls), `{"A":2}`)
	guardTRule(t, ds, guardTOpenRules)
	write(3)
	guardTExpect(t, "once it is shown again", guardTHear(t, c, s, calls), `{"A":3,"Secret":"s3cret"}`)

	s.Pause()
	write(4)
	guardTRule(t, ds, guardTHiddenRules)
	s.Resume()
	guardTExpect(t, "what was missed", guardTHear(t, c, s, calls), `{"A":4}`)
	if e := must[*siftdb.Entry](t)(ds.FindOne(ctx, siftdb.Query{Where: siftdb.M{"A": 4}})); !s.IsInScope(e) {
		t.Error("what it just told is not in its scope")
	}

	guardTTrash(t, db, ds)
	write(5)
	guardTExpect(t, "after the trash", guardTHear(t, c, s, calls), `{"A":5}`)
	if s.Status() != siftdb.SubscriptionActive {
		t.Errorf("it is %s: %v", s.Status(), s.Err())
	}

	guardTRule(t, ds, `[{"type":"select","allow":"all","require":["B"]}]`)
	guardTExpect(t, "once the where is refused", guardTHear(t, c, s, calls), "ended: access_denied")
}

// guardTFollow runs a stream until it ends. fn gets each of its members.
func guardTFollow[T any](t testing.TB, each func(func(T, error) bool), fn func(n int, v T)) string {
	t.Helper()
	n := 0
	for v, err := range each {
		if err != nil {
			if errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("nothing was told after %d", n)
			}
			return guardTCode(err)
		}
		fn(n, v)
		n++
	}
	return ""
}

// TestGuardLiveRules: a live query asks the rules again when they have changed.
func TestGuardLiveRules(t *testing.T) {
	for name, q := range map[string]siftdb.Query{
		"plain":  {Where: `{"A":{"$gt":0}}`},
		"window": {Where: `{"A":{"$gt":0}}`, Order: siftdb.Order{siftdb.Asc("A")}, Limit: new(2)},
		"view":   {Where: `{"A":{"$gt":0}}`, Views: []string{"all"}},
	} {
		t.Run(name, func(t *testing.T) {
			c, cancel := guardTContext(t)
			defer cancel()
			db := memoryDB(t, nil)
			ds := guardTSource(t, db, "t", guardTOpenRules, `{"views":[{"name":"all","filter":{}}]}`, `{"A":5,"Secret":"s3cret"}`, `{"A":6,"Secret":"s3cret"}`)
			bob := ds.As(guardTUser(siftdb.M{}))
			write := func(n int) { must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{"A": n, "Secret": "s3cret"})) }
			end := guardTFollow(t, bob.Live(c, q), func(n int, u *siftdb.LiveUpdate) {
				var told []string
				for _, list := range [][]*siftdb.Entry{u.Entered, u.Changed, u.Left, u.Result} {
					told = append(told, texts(list)...)
				}
				if got := strings.Join(told, " "); strings.Contains(got, "s3cret") != (n == 0) {
					t.Errorf("update %d tells %s", n, got)
				}
				switch n {
				case 0:
					guardTRule(t, ds, guardTHiddenRules)
					write(1) // pushes one out of the window
				case 1:
					guardTTrash(t, db, ds)
					write(2)
				case 2:
					guardTRule(t, ds, `[]`)
				default:
					t.Fatalf("update %d: %v", n, told)
				}
			})
			guardTExpect(t, "the end", end, "access_denied")
		})
	}
}

// TestGuardChangesRules: a feed asks the rules again when they have changed, also in the
// middle of a write.
func TestGuardChangesRules(t *testing.T) {
	c, cancel := guardTContext(t)
	defer cancel()
	ds, bob := guardTOwned(t, nil, guardTOpenRules, `{}`)
	rows := make([]string, 1500)
	for i := range rows {
		rows[i] = fmt.Sprintf(`{"A":%d,"Secret":"s3cret"}`, i)
	}
	must[siftdb.BulkResult](t)(ds.Append(ctx, raws(rows...)))
	end := guardTFollow(t, bob.Changes(c, 0), func(n int, set *siftdb.ChangeSet) {
		shown := false
		for _, change := range set.Changes {
			_, ok := change.After.Lookup("Secret")
			shown = shown || ok
		}
		columns := strings.Join(set.Version.Columns, " ")
		if shown != (n == 0) || strings.Contains(columns, "Secret") && n > 0 {
			t.Errorf("set %d shows the column: %t, names %s", n, shown, columns)
		}
		switch n {
		case 0:
			guardTRule(t, ds, guardTHiddenRules)
		case 1:
			if set.More || len(set.Changes) != 500 {
				t.Errorf("%d changes, more %t", len(set.Changes), set.More)
			}
			must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{"Secret": "s3cret"}))
			guardTRule(t, ds, `[{"type":"select","allow":"all","include":["A"]}]`)
		case 2:
			guardTRule(t, ds, `[{"type":"select","allow":{"user":{"Name":{"equals":"ann"}}}}]`)
		default:
			t.Fatalf("set %d", n)
		}
	})
	guardTExpect(t, "the end", end, "access_denied")
}

// TestGuardScriptWatch: what a script lets be watched is asked again with the where as it
// was sent, not as the script left it.
func TestGuardScriptWatch(t *testing.T) {
	c, cancel := guardTContext(t)
	defer cancel()
	owner := "bob"
	var asked []string
	ds, bob := guardTOwned(t, func(call security.ScriptCall) (string, []string) {
		asked = append(asked, call.Query[0].String())
		return guardTGrant, []string{fmt.Sprintf(`{"Owner":%q}`, owner)}
	}, guardTByScript, `{}`)
	where := siftdb.M{"A": 1}
	s, calls := guardTListen(t, c, bob, siftdb.SubscribeOptions{Where: where})
	defer guardTEnd(c, s)
	where["A"] = 2 // the caller's own by now
	write := func(owner string) { must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{"Owner": owner})) }
	write("bob")
	guardTExpect(t, "at first", guardTHear(t, c, s, calls), `{"Owner":"bob"}`)
	s.Pause()
	owner = "ann"
	must[siftdb.DataSourceInfo](t)(ds.Update(ctx, siftdb.DataSourceUpdate{Name: new("renamed")}))
	write("bob")
	write("ann")
	s.Resume()
	guardTExpect(t, "then", guardTHear(t, c, s, calls), `{"Owner":"ann"}`)
	guardTExpect(t, "the script", strings.Join(asked, " "), `{"A":1} {"A":1}`)
}
