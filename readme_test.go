package siftdb_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"
)

// fenced returns the blocks of a Markdown text that are marked as of a language.
func fenced(text, language string) []string {
	var blocks []string
	for _, m := range regexp.MustCompile("(?ms)^```(\\w*)\n(.*?)^```$").FindAllStringSubmatch(text, -1) {
		if m[1] == language {
			blocks = append(blocks, m[2])
		}
	}
	return blocks
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestReadmeCode keeps the Go code of README.md compiled and run: each block stands,
// indented by a tab, in the body of an example that has an output.
func TestReadmeCode(t *testing.T) {
	bodies := append(exampleBodies(t, "example_test.go"), exampleBodies(t, "example_query_test.go")...)
	blocks := fenced(readFile(t, "README.md"), "go")
	if len(blocks) < 5 {
		t.Errorf("README.md has %d blocks of Go code; are they found?", len(blocks))
	}
	for _, block := range blocks {
		if !inAny(bodies, indented(block)) {
			t.Errorf("README.md: this stands in no example:\n%s", block)
		}
	}
}

// exampleBodies returns the bodies of the examples in a file.
func exampleBodies(t *testing.T, name string) (bodies []string) {
	source := readFile(t, name)
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, name, source, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	for _, decl := range file.Decls {
		f, ok := decl.(*ast.FuncDecl)
		if !ok || !strings.HasPrefix(f.Name.Name, "Example") {
			continue
		}
		body := source[fset.Position(f.Body.Lbrace).Offset+1 : fset.Position(f.Body.Rbrace).Offset]
		if !strings.Contains(body, "\t// Output:") {
			t.Errorf("%s has no output, so it does not run", f.Name.Name)
		}
		bodies = append(bodies, body)
	}
	return bodies
}

// indented puts a tab before every line that is not empty, and a line break
// before the first, so that only whole lines compare equal.
func indented(block string) string {
	return "\n" + regexp.MustCompile(`(?m)^(.)`).ReplaceAllString(block, "\t$1")
}

func inAny(texts []string, part string) bool {
	for _, text := range texts {
		if strings.Contains(text, part) {
			return true
		}
	}
	return false
}

// TestReadmeOutput keeps the output shown in README.md that of the quickstart.
func TestReadmeOutput(t *testing.T) {
	golden := readFile(t, "examples/quickstart/testdata/output.golden")
	blocks := fenced(readFile(t, "README.md"), "text")
	if len(blocks) == 0 {
		t.Error("README.md shows no output; is it found?")
	}
	for _, block := range blocks {
		if !strings.Contains(golden, block) {
			t.Errorf("README.md: the quickstart does not print this:\n%s", block)
		}
	}
}

// TestDocsNameFiles finds links to files, and names of files in code marks, that
// do not exist.
func TestDocsNameFiles(t *testing.T) {
	repo := os.DirFS(".")
	link := regexp.MustCompile(`\]\(([^)#:]+)(?:#[^)]*)?\)`)
	name := regexp.MustCompile("`([\\w./-]+(?:\\.go|\\.md|/))`")
	for _, doc := range []string{"README.md", "ARCHITECTURE.md", "CHANGELOG.md"} {
		text := regexp.MustCompile("(?ms)^```.*?^```$").ReplaceAllString(readFile(t, doc), "") // [T](x) is no link in code
		for _, found := range append(link.FindAllStringSubmatch(text, -1), name.FindAllStringSubmatch(text, -1)...) {
			if _, err := fs.Stat(repo, path.Clean(found[1])); err != nil {
				t.Errorf("%s names %s, which is not there", doc, found[1])
			}
		}
	}
}
