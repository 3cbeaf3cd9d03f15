package lint

import (
	"bytes"
	"fmt"
	"go/ast"
	"maps"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// maxLines is the most lines a file may have.
const maxLines = 600

// longFiles may have more lines than that; each says why.
var longFiles = []string{
	"examples/data/cities.csv", // a table of data
}

// checks are the rules by name.
var checks = []struct {
	name string
	run  func(*tree) []finding
}{
	{"parse", func(t *tree) []finding { return t.broken }},
	{"imports", checkImports},
	{"docs", checkDocs},
	{"package comments", checkPackageComments},
	{"length", func(t *tree) []finding { return checkLength(t, longFiles) }},
	{"machine paths", checkMachinePaths},
}

// TestRepository holds every rule over this module.
func TestRepository(t *testing.T) {
	tr, err := load(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	// Looking in the wrong place would find nothing wrong.
	for _, want := range []string{"go.mod", ".ci/run", "internal/lint/lint_test.go"} {
		if !slices.ContainsFunc(tr.textFiles, func(f textFile) bool { return f.path == want }) {
			t.Fatalf("%s is not among the files read", want)
		}
	}
	for _, c := range checks {
		t.Run(c.name, func(t *testing.T) {
			for _, f := range c.run(tr) {
				t.Error(f)
			}
		})
	}
}

// checkDocs finds exported identifiers without a doc comment that starts with
// their name. It looks at declarations, methods of exported types and methods
// of exported interfaces; fields may speak for themselves.
func checkDocs(t *tree) []finding {
	var found []finding
	for _, f := range t.goFiles {
		if f.isTest() {
			continue
		}
		for _, decl := range f.ast.Decls {
			switch d := decl.(type) {
			case *ast.FuncDecl:
				if d.Name.IsExported() && (d.Recv == nil || ast.IsExported(receiver(d))) {
					found = append(found, judgeDoc(f, d.Doc, d.Name)...)
				}
			case *ast.GenDecl:
				found = append(found, checkGenDecl(f, d)...)
			}
		}
	}
	return found
}

// receiver returns the name of the type that a method belongs to.
func receiver(d *ast.FuncDecl) string {
	expr := d.Recv.List[0].Type
	for {
		switch e := expr.(type) {
		case *ast.StarExpr:
			expr = e.X
		case *ast.ParenExpr:
			expr = e.X
		case *ast.IndexExpr:
			expr = e.X
		case *ast.IndexListExpr:
			expr = e.X
		case *ast.Ident:
			return e.Name
		default:
			return ""
		}
	}
}

// checkGenDecl checks the types, constants or variables of one declaration.
func checkGenDecl(f *goFile, d *ast.GenDecl) []finding {
	var found []finding
	grouped := d.Lparen.IsValid()
	for _, spec := range d.Specs {
		switch s := spec.(type) {
		case *ast.TypeSpec:
			if !s.Name.IsExported() {
				continue
			}
			doc := s.Doc
			if doc == nil && !grouped {
				doc = d.Doc
			}
			found = append(found, judgeDoc(f, doc, s.Name)...)
			if i, ok := s.Type.(*ast.InterfaceType); ok {
				for _, m := range i.Methods.List {
					for _, name := range m.Names {
						found = append(found, judgeDoc(f, m.Doc, name)...)
					}
				}
			}
		case *ast.ValueSpec:
			if grouped && hasText(d.Doc) {
				continue // the group's comment speaks for all
			}
			doc := s.Doc
			if doc == nil && !grouped {
				doc = d.Doc
			}
			found = append(found, judgeValue(f, doc, s)...)
		}
	}
	return found
}

// judgeValue wants the comment of constants or variables declared together to
// start with one of their names.
func judgeValue(f *goFile, doc *ast.CommentGroup, s *ast.ValueSpec) []finding {
	var first []finding
	for _, name := range s.Names {
		if !name.IsExported() {
			continue
		}
		found := judgeDoc(f, doc, name)
		if found == nil {
			return nil
		}
		if first == nil {
			first = found
		}
	}
	return first
}

// judgeDoc wants a comment that starts with the name, an article before it or not.
func judgeDoc(f *goFile, doc *ast.CommentGroup, name *ast.Ident) []finding {
	if !ast.IsExported(name.Name) {
		return nil
	}
	if !hasText(doc) {
		return []finding{f.at(name.Pos(), "exported %s has no doc comment", name.Name)}
	}
	text := doc.Text()
	for _, article := range []string{"A ", "An ", "The "} {
		if rest, ok := strings.CutPrefix(text, article); ok {
			text = rest
			break
		}
	}
	rest, ok := strings.CutPrefix(text, name.Name)
	next, _ := utf8.DecodeRuneInString(rest)
	if !ok || unicode.IsLetter(next) || unicode.IsDigit(next) || next == '_' {
		return []finding{f.at(name.Pos(), "the doc comment of %s does not start with its name", name.Name)}
	}
	return nil
}

// hasText reports whether a comment says anything but directives.
func hasText(doc *ast.CommentGroup) bool { return doc != nil && strings.TrimSpace(doc.Text()) != "" }

// checkPackageComments finds folders whose package has no comment. A library's
// starts with "Package" and its name. Only a folder of nothing but tests may keep
// it in one of them.
func checkPackageComments(t *tree) []finding {
	folders := map[string][]*goFile{}
	for _, f := range t.goFiles {
		folders[f.pkg()] = append(folders[f.pkg()], f)
	}
	var found []finding
	for _, dir := range slices.Sorted(maps.Keys(folders)) {
		files := folders[dir]
		if slices.ContainsFunc(files, (*goFile).isCode) {
			files = slices.DeleteFunc(files, (*goFile).isTest)
		}
		if !slices.ContainsFunc(files, hasPackageComment) {
			name := files[0].ast.Name
			found = append(found, files[0].at(name.Pos(), "package %s has no comment that starts with \"Package %s \"", name.Name, name.Name))
		}
	}
	return found
}

// hasPackageComment reports whether a file holds its package's comment.
func hasPackageComment(f *goFile) bool {
	name := f.ast.Name.Name
	return hasText(f.ast.Doc) && (name == "main" || strings.HasPrefix(f.ast.Doc.Text(), "Package "+name+" "))
}

// checkLength finds files that are too long, and listed ones that are not.
func checkLength(t *tree, listed []string) []finding {
	var found []finding
	long := map[string]bool{}
	for _, f := range t.textFiles {
		lines := bytes.Count(f.data, []byte("\n"))
		if lines <= maxLines || path.Base(f.path) == "go.sum" {
			continue
		}
		long[f.path] = true
		if !slices.Contains(listed, f.path) {
			found = append(found, finding{f.path, lines, fmt.Sprintf("%d lines, over %d: split it, or list it in internal/lint", lines, maxLines)})
		}
	}
	for _, name := range listed {
		if !long[name] {
			found = append(found, finding{name, 1, "listed in internal/lint as a long file, but it is not one"})
		}
	}
	return found
}

// machinePath matches absolute paths that only exist where somebody works: home
// folders and work folders, on their own or as a file's address. A path inside a
// longer one or in a web address is no match.
var machinePath = regexp.MustCompile(`(?:^|[^\w./:})\]-]|file://)/(?:work|home|root|Users|workspace)/[\w.]+|\b[A-Za-z]:[\\/]+Users[\\/]+\w+`)

// checkMachinePaths finds files that name a path of somebody's machine.
func checkMachinePaths(t *tree) []finding {
	var found []finding
	for _, f := range t.textFiles {
		for i, line := range strings.Split(string(f.data), "\n") {
			if m := machinePath.FindString(line); m != "" {
				found = append(found, finding{f.path, i + 1, fmt.Sprintf("%q looks like a path of one machine", m)})
			}
		}
	}
	return found
}
