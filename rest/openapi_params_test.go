package rest

import (
	"encoding/base64"
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/siftdb/siftdb"
)

// reads is what each function of this package reads from query strings, and which functions it
// calls, by their names.
type reads struct {
	params, calls map[string][]string
}

// readSource finds out what the functions of this package read: the names in calls of c.query, and
// of what takes several of them.
func readSource(t *testing.T) *reads {
	t.Helper()
	found := &reads{map[string][]string{}, map[string][]string{}}
	var files []*ast.File
	lists := map[string][]string{} // variables that are lists of names
	names, err := fs.Glob(os.DirFS("."), "*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(gotoken.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
		ast.Inspect(file, func(n ast.Node) bool {
			v, ok := n.(*ast.ValueSpec)
			if !ok || len(v.Values) != 1 {
				return true
			}
			if list, ok := v.Values[0].(*ast.CompositeLit); ok {
				if _, ok := list.Type.(*ast.ArrayType); ok {
					lists[v.Names[0].Name] = literals(list, nil)
				}
			}
			return true
		})
	}
	for _, file := range files {
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Body != nil {
				ast.Inspect(f.Body, func(n ast.Node) bool {
					if call, ok := n.(*ast.CallExpr); ok {
						found.add(f.Name.Name, call, lists)
					}
					return true
				})
			}
		}
	}
	return found
}

// add takes one call in a function.
func (r *reads) add(in string, call *ast.CallExpr, lists map[string][]string) {
	switch f := call.Fun.(type) {
	case *ast.Ident:
		r.calls[in] = append(r.calls[in], f.Name)
	case *ast.SelectorExpr:
		of, ok := f.X.(*ast.SelectorExpr)
		switch {
		case ok && of.Sel.Name == "query", slices.Contains([]string{"queryOptions", "queryByGet", "withFallbacks"}, f.Sel.Name):
			for _, arg := range call.Args {
				r.params[in] = append(r.params[in], literals(arg, lists)...)
			}
		}
		if x, own := f.X.(*ast.Ident); own && x.Name == "c" {
			r.calls[in] = append(r.calls[in], f.Sel.Name)
		}
	}
}

// literals are the texts in an expression, and in the lists that it names.
func literals(e ast.Expr, lists map[string][]string) []string {
	var all []string
	ast.Inspect(e, func(n ast.Node) bool {
		switch x := n.(type) {
		case *ast.BasicLit:
			if text, err := strconv.Unquote(x.Value); err == nil && x.Kind == gotoken.STRING {
				all = append(all, text)
			}
		case *ast.Ident:
			all = append(all, lists[x.Name]...)
		}
		return true
	})
	return all
}

// of is what a function reads, with all that it calls.
func (r *reads) of(name string, seen map[string]bool) []string {
	if seen[name] {
		return nil
	}
	seen[name] = true
	all := slices.Clone(r.params[name])
	for _, other := range r.calls[name] {
		all = append(all, r.of(other, seen)...)
	}
	return all
}

// TestParameters: the description tells of the parameters that the source of an endpoint reads, and
// of no others.
func TestParameters(t *testing.T) {
	source := readSource(t)
	doc := openAPI(t, newSite(t, Options{}))
	for _, r := range routeTable() {
		name := strings.TrimPrefix(filepath.Ext(runtime.FuncForPC(reflect.ValueOf(r.handle).Pointer()).Name()), ".")
		read := source.of(name, map[string]bool{})
		var told []string
		for _, p := range doc.Paths[r.pattern][strings.ToLower(r.method)].Parameters {
			if p.In == "query" {
				told = append(told, p.Name)
			}
		}
		for _, p := range read {
			if !slices.Contains(told, p) {
				t.Errorf("%s %s reads the parameter %s, which is not described", r.method, r.pattern, p)
			}
		}
		for i, p := range told {
			if p != "ack" && !slices.Contains(read, p) {
				t.Errorf("%s %s does not read the parameter %s", r.method, r.pattern, p)
			}
			if slices.Contains(told[:i], p) {
				t.Errorf("%s %s tells of the parameter %s twice", r.method, r.pattern, p)
			}
		}
	}
}

// TestSecurity holds what the description says of tokens against the handler: of every endpoint, in
// every place where a token may stand, and without one.
func TestSecurity(t *testing.T) {
	s := newSite(t, Options{})
	s.table(siftdb.DataSourceSpec{Name: "A", Public: new(true)}, `{"Name": "one"}`)
	closed := s.table(siftdb.DataSourceSpec{Name: "B"})
	mediaFixture(t, s)
	doc := openAPI(t, s)
	checked := 0
	for pattern, methods := range doc.Paths {
		for method, op := range methods {
			r := routeOf(t, strings.ToUpper(method), pattern)
			ways := doc.Security
			if op.Security != nil {
				ways = *op.Security
			}
			anonymous := len(ways) == 0
			for _, way := range ways {
				if len(way) == 0 {
					anonymous = true
				}
				for scheme := range way {
					checked++
					if reply := tryOut(t, s, r, inPlace(t, doc, scheme, adminToken)); reply.status == 401 || reply.status == 403 {
						t.Errorf("%s, a token by %s: status %d", reply.what, scheme, reply.status)
					}
					if reply := tryOut(t, s, r, inPlace(t, doc, scheme, wrongToken)); reply.status != 401 {
						t.Errorf("%s, a wrong token by %s: status %d", reply.what, scheme, reply.status)
					}
				}
			}
			if reply := tryOut(t, s, r, attempt{token: nobody}); (reply.status != 401) != anonymous {
				t.Errorf("%s without a token: status %d; the description says %v", reply.what, reply.status, ways)
			}
			if r.rights == public {
				if reply := tryOut(t, s, r, attempt{token: nobody, ref: itoa(closed.ID())}); reply.status != 401 {
					t.Errorf("%s without a token: status %d", reply.what, reply.status)
				}
			}
		}
	}
	if want := 4 * (len(routeTable()) - 1); checked != want {
		t.Errorf("%d places of tokens, want %d", checked, want)
	}
}

// inPlace is a request with a token where a scheme of the description says.
func inPlace(t *testing.T, doc documented, scheme, token string) attempt {
	t.Helper()
	a := attempt{token: nobody}
	switch place := doc.Components.SecuritySchemes[scheme]; place.Type + " " + place.Scheme + place.In {
	case "apiKey header":
		a.more = place.Name + ": " + token
	case "apiKey query":
		a.query = "?" + place.Name + "=" + token
	case "apiKey cookie":
		a.more = "Cookie: " + place.Name + "=" + token
	case "http bearer":
		a.more = "Authorization: Bearer " + base64.StdEncoding.EncodeToString([]byte(token))
	default:
		t.Fatalf("the scheme %s is %v", scheme, place)
	}
	return a
}
