package rest

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"regexp"
	"sort"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/siftdb/siftdb"
)

// world is one of two databases behind a server that went through the same writes. They differ only
// in the values of hidden columns, and of rows and files that the rules never let the clerk name.
type world struct {
	*site
	now    atomic.Int64
	secret *rand.Rand // gives what is hidden: another one in each world
	server *httptest.Server
	n      int // how many writes the admin has made

	people, orders, own, private *siftdb.DataSource
}

const (
	clerkToken = "eu--clerk" // logged in, and restricted
	bossToken  = "eu--boss"  // logged in, and sees it all
	appToken   = "eu--app"   // not logged in: no rule is for it
)

// rulesBut are rules that hide columns from all but the boss.
func rulesBut(hidden string) json.RawMessage {
	return json.RawMessage(`[{"type":["select","count","delete","insert","update"],"allow":{"user":{"Role":{"equals":"boss"}}}},
		{"type":["select","count","delete"],"allow":"loggedIn","exclude":` + hidden + `},{"type":["insert","update"],"allow":"loggedIn"}]`)
}

const (
	ownRules    = `[{"type":["select","count","delete","insert","update"],"allow":"loggedIn","require":[{"Owner":{"equals":"{{user.Name}}"}}],"exclude":["Level"]}]`
	peopleViews = `{"exclude":["Pin"],"views":[{"name":"rich","filter":{"Salary":{"$gt":40}}},{"name":"mine","filter":{"Secret.code":"session.Code"}},{"name":"same","filter":{"Dept":"x"}}]}`
)

// newWorld makes a world: shared gives what both have, secret what they do not.
func newWorld(t testing.TB, shared, secret *rand.Rand) *world {
	w := &world{secret: secret}
	w.now.Store(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).UnixMilli())
	clock := func() time.Time { return time.UnixMilli(w.now.Load()) }
	user := func(role string) map[string]any { return map[string]any{"Name": "bob", "Role": role, "Code": "a"} }
	tokens, err := Tokens(Token{ID: 7, Token: clerkToken, OrganizationID: new(int64(123)), User: user("clerk")},
		Token{ID: 8, Token: bossToken, OrganizationID: new(int64(123)), User: user("boss")}, Token{ID: 9, Token: appToken, OrganizationID: new(int64(123))})
	if err != nil {
		t.Fatal(err)
	}
	w.site = newSiteOf(t, siftdb.Options{Now: clock}, Options{Authenticator: tokens, Now: clock, RateLimit: RateLimit{Requests: 1 << 30}})
	w.people = w.table(siftdb.DataSourceSpec{Name: "people", AccessRules: rulesBut(`["Salary","Secret","Scan"]`), Definition: json.RawMessage(peopleViews)})
	w.orders = w.table(siftdb.DataSourceSpec{Name: "orders", AccessRules: rulesBut(`["Cost","Code"]`)})
	w.own = w.table(siftdb.DataSourceSpec{Name: "own", AccessRules: json.RawMessage(ownRules)})
	w.private = w.table(siftdb.DataSourceSpec{Name: "private", AccessRules: json.RawMessage(`[]`), Definition: json.RawMessage(fmt.Sprintf(`{"note":%d}`, secret.IntN(1000)))})
	for range 8 {
		w.fill(w.people, w.person(shared))
		w.fill(w.orders, w.order(shared))
		w.fill(w.own, w.owned(shared))
		w.fill(w.private, siftdb.M{"a": w.value(), "b": w.value()})
	}
	for i := range 8 {
		w.scan(shared, i)
	}
	for range 6 {
		w.adminWrite(shared.Uint64())
	}
	w.server = httptest.NewServer(recorded(t, w.handler))
	t.Cleanup(w.server.Close)
	w.server.Client().Transport.(*http.Transport).DisableCompression = true
	return w
}

func (w *world) fill(ds *siftdb.DataSource, row siftdb.M) {
	if _, err := ds.Insert(ctx, row); err != nil {
		w.Fatal(err)
	}
}

// scan gives a person two files: one that all may read, and a hidden one; and somebody else's row one.
func (w *world) scan(shared *rand.Rand, i int) {
	w.Helper()
	file := func(column, name, text string) siftdb.Part {
		return siftdb.Part{Name: column, FileName: name, Content: strings.NewReader(text)}
	}
	hidden := func(column string) siftdb.Part {
		return file(column, strings.Repeat("s", 1+w.secret.IntN(20))+[]string{".txt", ".pdf", ".png"}[w.secret.IntN(3)], strings.Repeat("x", w.secret.IntN(300)))
	}
	people, err := w.people.Find(ctx, siftdb.Query{})
	if err == nil {
		form := siftdb.FormOf(file("Photo", "photo.txt", strings.Repeat("p", 10+shared.IntN(50))), hidden("Scan"))
		_, err = w.people.UpdateWithFiles(ctx, people[i].ID, form)
	}
	if err == nil {
		_, err = w.own.InsertWithFiles(ctx, siftdb.FormOf(siftdb.Part{Name: "Owner", Text: "ann"}, hidden("Doc")))
	}
	if err != nil {
		w.Fatal(err)
	}
}

// value is a hidden value of any kind.
func (w *world) value() any {
	r := w.secret
	switch r.IntN(8) {
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

func (w *world) hide(row siftdb.M, columns ...string) siftdb.M {
	for _, c := range columns {
		if w.secret.IntN(3) > 0 { // absent is a value like any other
			row[c] = w.value()
		}
	}
	return row
}

var someNames = []string{"ann", "bob", "cat", "dan"}

func (w *world) person(r *rand.Rand) siftdb.M {
	row := siftdb.M{"Name": someNames[r.IntN(4)], "Dept": []string{"x", "y"}[r.IntN(2)], "Score": r.IntN(5) * 25}
	return w.hide(row, "Salary", "Secret", "Pin")
}

func (w *world) order(r *rand.Rand) siftdb.M {
	return w.hide(siftdb.M{"Person": someNames[r.IntN(4)], "Amount": r.IntN(5) * 25}, "Cost", "Code")
}

// owned is a row of bob's, or one of somebody else, which has nothing that is not hidden.
func (w *world) owned(r *rand.Rand) siftdb.M {
	if r.IntN(2) == 0 {
		return w.hide(siftdb.M{"Owner": "bob", "Note": r.IntN(4)}, "Level")
	}
	return w.hide(siftdb.M{"Owner": []string{"ann", "cat"}[w.secret.IntN(2)], "Note": w.value()}, "Level")
}

// adminWrite is a write of trusted code, of the same entries in both worlds.
func (w *world) adminWrite(seed uint64) {
	w.Helper()
	r := rand.New(rand.NewPCG(seed, 1))
	w.n++
	var err error
	switch r.IntN(5) {
	case 0:
		_, err = w.people.Insert(ctx, w.person(r))
	case 1:
		_, err = w.orders.Insert(ctx, w.order(r))
	case 2:
		_, err = w.people.UpdateWhere(ctx, siftdb.M{"Name": someNames[r.IntN(4)]}, siftdb.Patch{Set: siftdb.M{"Salary": w.n*1000 + w.secret.IntN(999)}})
	case 3:
		_, err = w.orders.UpdateWhere(ctx, siftdb.M{"Person": someNames[r.IntN(4)]}, siftdb.Patch{Set: w.hide(siftdb.M{"bump": w.n}, "Cost", "Code")})
	case 4:
		_, err = w.own.Insert(ctx, w.owned(r))
	}
	if err != nil {
		w.Fatal(err)
	}
}

// opaque are names that are random by design, all of one length: of versions and of stored files.
var opaque = regexp.MustCompile(`[0-9a-f]{32}`)

// answer sends a request, and returns all that comes back, but for the date and the random names.
func (w *world) answer(token string, q wish) string {
	w.Helper()
	w.now.Add(1000)
	r, err := http.NewRequest(q.method, w.server.URL+q.path, strings.NewReader(q.body))
	if err != nil {
		w.Fatal(q, err)
	}
	for name, value := range q.header {
		r.Header.Set(name, value)
	}
	r.Header.Set("Auth-token", token)
	r.Header.Set("X-Request-Id", "same")
	got, err := w.server.Client().Do(r)
	if err != nil {
		w.Fatal(q, err)
	}
	defer got.Body.Close()
	body, err := io.ReadAll(got.Body)
	if err != nil {
		w.Fatal(q, err)
	}
	if got.StatusCode >= 500 {
		w.Errorf("%v: status %d: %s", q, got.StatusCode, body)
	}
	var lines []string
	for name, values := range got.Header {
		if name != "Date" {
			lines = append(lines, name+": "+strings.Join(values, ", "))
		}
	}
	sort.Strings(lines)
	return fmt.Sprintf("%s, %d bytes %v\n%s\n%s", got.Status, got.ContentLength, got.TransferEncoding, strings.Join(lines, "\n"), opaque.ReplaceAllString(string(body), "*"))
}
