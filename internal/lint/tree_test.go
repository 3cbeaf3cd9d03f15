package lint

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"strings"
	"unicode/utf8"
)

// finding is one breach of a rule.
type finding struct {
	file string
	line int
	text string
}

// String returns the finding as file:line: text.
func (f finding) String() string { return fmt.Sprintf("%s:%d: %s", f.file, f.line, f.text) }

// goFile is one parsed source file.
type goFile struct {
	path string // slash-separated, below the module's root
	fset *token.FileSet
	ast  *ast.File
}

// pkg returns the name of the file's package in the table: its folder, or ".".
func (f *goFile) pkg() string { return path.Dir(f.path) }

// isTest reports whether the file belongs to the package's tests.
func (f *goFile) isTest() bool { return strings.HasSuffix(f.path, "_test.go") }

// isCode reports whether the file belongs to the package itself.
func (f *goFile) isCode() bool { return !f.isTest() }

// at makes a finding of a place in the file.
func (f *goFile) at(pos token.Pos, format string, args ...any) finding {
	return finding{f.path, f.fset.Position(pos).Line, fmt.Sprintf(format, args...)}
}

// textFile is one file of text, Go or not, outside of testdata.
type textFile struct {
	path string
	data []byte
}

// tree is a module's source.
type tree struct {
	goFiles   []*goFile
	textFiles []textFile
	broken    []finding // files that do not parse
}

// load reads a module: its Go files whatever their build tags, and its text
// files. It leaves out testdata, modules below, and hidden folders but .ci.
func load(fsys fs.FS) (*tree, error) {
	t := &tree{}
	fset := token.NewFileSet()
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			return skipDir(name)
		}
		if !d.Type().IsRegular() {
			return nil
		}
		data, err := fs.ReadFile(fsys, name)
		if err != nil {
			return err
		}
		if utf8.Valid(data) && !bytes.ContainsRune(data, 0) {
			t.textFiles = append(t.textFiles, textFile{name, data})
		}
		// The go command leaves out names like _x.go and .x.go, too.
		if path.Ext(name) != ".go" || strings.ContainsAny(path.Base(name)[:1], "_.") || inOtherModule(fsys, name) {
			return nil
		}
		file, err := parser.ParseFile(fset, name, data, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.broken = append(t.broken, finding{name, 1, err.Error()})
			return nil
		}
		t.goFiles = append(t.goFiles, &goFile{name, fset, file})
		return nil
	})
	return t, err
}

// skipDir says whether a folder is walked.
func skipDir(name string) error {
	base := path.Base(name)
	hidden := strings.HasPrefix(base, ".") && name != "." && name != ".ci"
	if hidden || base == "testdata" {
		return fs.SkipDir
	}
	return nil
}

// inOtherModule reports whether a file belongs to a module below the root.
func inOtherModule(fsys fs.FS, name string) bool {
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if _, err := fs.Stat(fsys, path.Join(dir, "go.mod")); err == nil {
			return true
		}
	}
	return false
}
