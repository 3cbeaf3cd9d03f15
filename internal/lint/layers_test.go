package lint

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// modulePath is the path of the module whose layers these are.
const modulePath = "github.com/siftdb/siftdb"

// layer is one package's place in the module, or that of all packages below a
// folder when its name ends in "/...". The root package's name is ".".
type layer struct {
	name   string
	number int      // imports point to lower numbers, but for those in sideways
	allow  []string // what its code may import: names of layers; "*" means any below
}

// layers is the table: a new package gets a line here. The first line that covers
// a package counts.
var layers = []layer{
	{"cmd/...", 7, []string{"*", "cmd/...", "examples/..."}}, // examples/data, for the demo
	{"examples/...", 7, []string{"*", "examples/..."}},
	{"rest", 6, []string{".", "security", "query", "internal/document"}}, // document reads bodies as strictly as entries
	{".", 5, []string{
		"internal/plan",
		"aggregate", "security", "hooks", "internal/column",
		"query", "internal/index", "internal/history", "internal/sealed", "internal/layout",
		"internal/document", "internal/template", "media", "storage/memory", "storage/bolt",
		"storage", "internal/errs",
	}},
	{"security/script", 4, []string{"security", "internal/document"}}, // whoever imports it links an engine: the root must not
	{"internal/plan", 4, []string{"query", "internal/index", "internal/column"}},
	{"aggregate", 3, []string{"query", "internal/document", "internal/errs"}},
	{"security", 3, []string{"query", "internal/document", "internal/template", "internal/errs"}},
	{"hooks", 3, []string{"query", "internal/document", "internal/template", "internal/errs"}},
	{"internal/column", 3, []string{"query", "internal/document", "internal/errs", "storage"}},
	{"query", 2, []string{"internal/document", "internal/errs"}},
	{"internal/index", 3, []string{"query", "internal/document", "internal/errs"}},
	{"internal/index/indextest", 0, nil},
	{"internal/history", 2, []string{"internal/layout", "internal/document", "internal/errs", "storage"}},
	{"internal/sealed", 3, []string{"internal/layout", "internal/document", "internal/errs", "storage"}},
	{"internal/layout", 2, []string{"internal/document", "internal/errs", "storage"}},
	{"internal/document", 1, []string{"internal/errs"}},
	{"internal/template", 1, []string{"internal/errs"}},
	{"media/mediatest", 2, []string{"media"}},
	{"media", 1, []string{"internal/errs", "storage"}},
	{"storage/memory", 1, []string{"internal/errs", "storage", "storage/internal/..."}},
	{"storage/bolt", 1, []string{"internal/errs", "storage", "storage/internal/..."}},
	{"storage/storagetest", 1, []string{"internal/errs", "storage", "storage/internal/..."}},
	{"storage/internal/overlay", 1, []string{"storage/internal/tree", "internal/errs", "storage"}},
	{"storage/internal/tree", 1, []string{"internal/errs", "storage"}},
	{"storage/internal/...", 1, []string{"internal/errs", "storage"}},
	{"storage", 0, nil},
	{"internal/errs", 0, nil},
	{"internal/lint", 0, nil},
}

// sideways lists the edges between packages of one layer that the table allows.
var sideways = []string{
	"cmd/... > cmd/...",
	"cmd/... > examples/...",
	"examples/... > examples/...",
	"internal/history > internal/layout",
	"storage/internal/overlay > storage/internal/tree",
	"storage/memory > storage/internal/...",
	"storage/bolt > storage/internal/...",
	"storage/storagetest > storage/internal/...",
}

// testHelpers may be imported by the tests of every package.
var testHelpers = []string{"storage/storagetest", "storage/memory", "storage/bolt", "media/mediatest", "internal/index/indextest"}

// library is a module outside the standard library and who may import it.
type library struct {
	path  string
	code  []string // packages whose code may
	tests bool     // whether the tests of every package may
}

// libraries is the whole list of other modules that are imported directly.
var libraries = []library{
	{"go.etcd.io/bbolt", []string{"storage/bolt"}, true},
	{"golang.org/x/sys", []string{"storage/bolt"}, false}, // file locks on Windows, handles that share one on Unix
	{"github.com/tidwall/btree", []string{"storage/..."}, false},
	{"github.com/ohler55/ojg", []string{".", "cmd/...", "examples/..."}, false},
	{"github.com/oklog/ulid/v2", []string{".", "hooks"}, false},
	{"modernc.org/quickjs", []string{"security/script"}, false}, // JavaScript with limits on memory and depth, in pure Go
	{"github.com/cespare/xxhash/v2", []string{"internal/document", "internal/layout", "internal/history", "storage/bolt", "storage/internal/commitlog"}, true},
	{"pgregory.net/rapid", []string{"storage/storagetest"}, true},
	{"go.uber.org/goleak", []string{"storage/storagetest"}, true},
	{"github.com/google/go-cmp", []string{"storage/storagetest"}, true},
}

// covers reports whether a name of the table stands for a package.
func covers(name, pkg string) bool {
	if dir, ok := strings.CutSuffix(name, "/..."); ok {
		return strings.HasPrefix(pkg, dir+"/")
	}
	return name == pkg
}

// coversAny reports whether one of the names stands for a package.
func coversAny(names []string, pkg string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return covers(n, pkg) })
}

// layerOf finds a package's line in the table.
func layerOf(pkg string) (layer, bool) {
	i := slices.IndexFunc(layers, func(l layer) bool { return covers(l.name, pkg) })
	if i < 0 {
		return layer{}, false
	}
	return layers[i], true
}

// checkImports holds the two tables over every import of the tree.
func checkImports(t *tree) []finding {
	var found []finding
	unknown := map[string]bool{}
	for _, f := range t.goFiles {
		from, ok := layerOf(f.pkg())
		if !ok {
			if !unknown[f.pkg()] {
				unknown[f.pkg()] = true
				found = append(found, f.at(f.ast.Package, "package %s is not in the table of layers: add it to internal/lint/layers_test.go", f.pkg()))
			}
			continue
		}
		for _, spec := range f.ast.Imports {
			path := strings.Trim(spec.Path.Value, "`\"")
			if why := judge(from, f.pkg(), path, f.isTest()); why != "" {
				found = append(found, f.at(spec.Pos(), "%s", why))
			}
		}
	}
	return found
}

// judge says what is wrong with an import, or "".
func judge(from layer, pkg, path string, test bool) string {
	if path == "C" {
		return "siftdb is pure Go: no cgo"
	}
	if to, ok := inModule(path); ok {
		return judgeOwn(from, pkg, to, test)
	}
	if first, _, _ := strings.Cut(path, "/"); !strings.Contains(first, ".") {
		return "" // the standard library
	}
	for _, lib := range libraries {
		if path != lib.path && !strings.HasPrefix(path, lib.path+"/") {
			continue
		}
		if coversAny(lib.code, pkg) || lib.tests && test {
			return ""
		}
		who := strings.Join(lib.code, ", ")
		if lib.tests {
			who += " and tests"
		}
		return fmt.Sprintf("package %s may not import %s, only %s may", pkg, lib.path, who)
	}
	return fmt.Sprintf("module of %s is not in the table of libraries: add it to internal/lint/layers_test.go", path)
}

// judgeOwn judges an import of a package of this module.
func judgeOwn(from layer, pkg, to string, test bool) string {
	target, ok := layerOf(to)
	switch {
	case !ok:
		return fmt.Sprintf("imported package %s is not in the table of layers: add it to internal/lint/layers_test.go", to)
	case coversAny(from.allow, to):
		return ""
	case slices.Contains(from.allow, "*") && target.number < from.number:
		return ""
	case test && (to == pkg || target.number < from.number || coversAny(testHelpers, to)):
		return ""
	}
	return fmt.Sprintf("package %s (layer %d) may not import %s (layer %d)", pkg, from.number, to, target.number)
}

// inModule turns an import path into the name of a package of this module.
func inModule(path string) (string, bool) {
	if path == modulePath {
		return ".", true
	}
	return strings.CutPrefix(path, modulePath+"/")
}

// TestLayerTable checks the table itself: names occur once, and each edge
// points down or is listed as going sideways.
func TestLayerTable(t *testing.T) {
	byName := map[string]layer{}
	for _, l := range layers {
		if _, twice := byName[l.name]; twice {
			t.Errorf("layers_test.go: %s stands in the table twice", l.name)
		}
		byName[l.name] = l
	}
	used := map[string]bool{}
	for _, l := range layers {
		for _, name := range l.allow {
			if name == "*" {
				continue
			}
			to, ok := byName[name]
			edge := l.name + " > " + name
			switch {
			case !ok:
				t.Errorf("layers_test.go: %s: no such line", edge)
			case slices.Contains(sideways, edge) && to.number == l.number:
				used[edge] = true
			case to.number >= l.number:
				t.Errorf("layers_test.go: %s goes from layer %d to %d", edge, l.number, to.number)
			}
		}
	}
	for _, edge := range sideways {
		if !used[edge] {
			t.Errorf("layers_test.go: sideways edge %s is not in the table", edge)
		}
	}
}
