package lint

import (
	"strings"
	"testing"
	"testing/fstest"
)

// selfTests are small modules and what a rule must say of each: the findings'
// beginnings, in order.
var selfTests = []struct {
	name  string
	check func(*tree) []finding
	files map[string]string
	want  []string
}{
	{
		"downward imports pass", checkImports,
		map[string]string{
			"a.go":                          "package siftdb\nimport \"" + modulePath + "/query\"\nimport \"github.com/ohler55/ojg/jp\"\nimport \"net/http\"",
			"cmd/siftdb/main.go":            "package main\nimport \"" + modulePath + "\"\nimport \"" + modulePath + "/cmd/siftdb/flags\"",
			"cmd/siftdb/flags/f.go":         "package flags\nimport \"" + modulePath + "/storage\"",
			"internal/history/h.go":         "package history\nimport \"" + modulePath + "/internal/layout\"",
			"storage/bolt/b.go":             "package bolt\nimport \"go.etcd.io/bbolt\"\nimport \"go.etcd.io/bbolt/errors\"",
			"storage/bolt/b_test.go":        "package bolt_test\nimport \"" + modulePath + "/storage/bolt\"\nimport \"" + modulePath + "/storage/storagetest\"",
			"storage/memory/m.go":           "package memory\nimport \"" + modulePath + "/storage/internal/overlay\"",
			"storage/internal/overlay/o.go": "package overlay\nimport \"" + modulePath + "/storage/internal/tree\"",
			"storage/storagetest/run.go":    "package storagetest\nimport \"pgregory.net/rapid\"",
			"query/q_test.go":               "package query\nimport \"pgregory.net/rapid\"\nimport \"" + modulePath + "/storage\"",
		},
		nil,
	},
	{
		"upward and sideways imports fail", checkImports,
		map[string]string{
			"query/q.go":                 "package query\n\nimport (\n\t\"fmt\"\n\t\"" + modulePath + "/storage\"\n\t\"" + modulePath + "/aggregate\"\n)",
			"storage/s.go":               "package storage\nimport \"" + modulePath + "\"",
			"storage/s_test.go":          "package storage\nimport \"" + modulePath + "/query\"",
			"storage/memory/m.go":        "package memory\nimport \"" + modulePath + "/storage/bolt\"",
			"storage/internal/tree/t.go": "package tree\nimport \"" + modulePath + "/storage/internal/overlay\"",
			"internal/layout/l.go":       "package layout\nimport \"" + modulePath + "/internal/history\"",
			"rest/r.go":                  "package rest\nimport \"" + modulePath + "/storage\"",
			"s.go":                       "package siftdb\nimport \"" + modulePath + "/storage/storagetest\"",
			"storage/bolt/linux.go":      "//go:build linux\n\npackage bolt\nimport \"" + modulePath + "/storage/memory\"",
			"storage/storagetest/run.go": "package storagetest\nimport `" + modulePath + "/storage/memory`",
		},
		[]string{
			"internal/layout/l.go:2: package internal/layout (layer 2) may not import internal/history (layer 2)",
			"query/q.go:5: package query (layer 2) may not import storage (layer 0)",
			"query/q.go:6: package query (layer 2) may not import aggregate (layer 3)",
			"rest/r.go:2: package rest (layer 6) may not import storage",
			"s.go:2: package . (layer 5) may not import storage/storagetest",
			"storage/bolt/linux.go:4: package storage/bolt (layer 1) may not import storage/memory",
			"storage/internal/tree/t.go:2: package storage/internal/tree (layer 1) may not import storage/internal/overlay",
			"storage/memory/m.go:2: package storage/memory (layer 1) may not import storage/bolt",
			"storage/s.go:2: package storage (layer 0) may not import . (layer 5)",
			"storage/s_test.go:2: package storage (layer 0) may not import query (layer 2)",
			"storage/storagetest/run.go:2: package storage/storagetest (layer 1) may not import storage/memory",
		},
	},
	{
		"unknown packages and libraries fail", checkImports,
		map[string]string{
			"cache/c.go":         "package cache",
			"cache/d.go":         "package cache",
			"query/q.go":         "package query\nimport \"" + modulePath + "/cache\"\nimport \"example.com/x\"\nimport \"C\"",
			"query/r.go":         "package query\nimport \"go.uber.org/goleak\"\nimport \"go.etcd.io/bbolt\"",
			"storage/b.go":       "package storage\nimport \"github.com/tidwall/btree\"",
			"storage/b_test.go":  "package storage\nimport \"github.com/ohler55/ojg\"",
			"tools/go.mod":       "module x",
			"tools/deep/tool.go": "package deep\nimport \"example.com/x\"",
		},
		[]string{
			"cache/c.go:1: package cache is not in the table of layers: add it",
			"query/q.go:2: imported package cache is not in the table of layers: add it",
			"query/q.go:3: module of example.com/x is not in the table of libraries: add it",
			"query/q.go:4: siftdb is pure Go",
			"query/r.go:2: package query may not import go.uber.org/goleak, only storage/storagetest and tests may",
			"query/r.go:3: package query may not import go.etcd.io/bbolt, only storage/bolt and tests may",
			"storage/b.go:2: package storage may not import github.com/tidwall/btree",
			"storage/b_test.go:2: package storage may not import github.com/ohler55/ojg",
		},
	},
	{
		"good docs pass", checkDocs,
		map[string]string{"a.go": `package a

// Size is documented.
const Size = 1

// The states.
const (
	Open = iota
	Closed
)

const (
	// Low is documented.
	Low = 1
	// High and Higher are.
	High, Higher = 2, 3
	hidden = 3
)

// A Box holds T's.
type Box[T any] struct{ Field int }

// Get gets.
func (b *Box[T]) Get() {}

type (
	// An Odd is odd.
	Odd int
	// Store stores.
	Store interface {
		// Put puts.
		Put()
		own()
	}
)

type private struct{}

func (private) Exported() {}

func own() {}
`, "a_test.go": "package a\nfunc Exported() {}", "testdata/b.go": "package b\nfunc Exported() {}"},
		nil,
	},
	{
		"bad docs fail", checkDocs,
		map[string]string{"a.go": `package a

const Size = 1

const (
	Low = 1 // not a doc comment
	// Hi is the wrong name.
	High = 2
)

// Boxes are no Box.
type Box[K, V any] struct{}

func (b *Box[K, V]) Get() {}

// Has nothing of the name.
func (b Box[K, V]) Put() {}

// This comment is the group's.
type (
	Odd int
)

//go:embed x
var File string

// Store stores.
type Store interface {
	Put()
}

// Returns the wrong way round: Run.
func Run() {}

// Detached is followed by an empty line.

func Detached() {}
`},
		[]string{
			"a.go:3: exported Size has no doc comment",
			"a.go:6: exported Low has no doc comment",
			"a.go:8: the doc comment of High does not start with its name",
			"a.go:12: the doc comment of Box does not start with its name",
			"a.go:14: exported Get has no doc comment",
			"a.go:17: the doc comment of Put does not",
			"a.go:21: exported Odd has no doc comment",
			"a.go:25: exported File has no doc comment",
			"a.go:29: exported Put has no doc comment",
			"a.go:33: the doc comment of Run does not",
			"a.go:37: exported Detached has no doc comment",
		},
	},
	{
		"package comments", checkPackageComments,
		map[string]string{
			"good/doc.go":         "// Package good is.\npackage good",
			"good/a.go":           "package good",
			"good/a_test.go":      "package good_test",
			"cmd/x/main.go":       "// Command x runs.\npackage main",
			"onlytests/a_test.go": "// Package onlytests tests.\npackage onlytests",
			"bad/a.go":            "package bad",
			"bad/a_test.go":       "// Package bad is not told in a test.\npackage bad",
			"cmd/y/main.go":       "package main",
			"odd/a.go":            "// Odd things.\n\n// Package oddity is another.\npackage odd",
			"detached/a.go":       "// Package detached is followed by an empty line.\n\npackage detached",
		},
		[]string{
			"bad/a.go:1: package bad has no comment",
			"cmd/y/main.go:1: package main has no comment",
			"detached/a.go:3: package detached has no comment",
			"odd/a.go:4: package odd has no comment",
		},
	},
	{
		"length", func(t *tree) []finding { return checkLength(t, []string{"listed.csv", "stale.csv"}) },
		map[string]string{
			"a.go":            strings.Repeat("\n", maxLines) + "package a",
			"b.md":            strings.Repeat("\n", maxLines+1),
			"listed.csv":      strings.Repeat("\n", maxLines+1),
			"stale.csv":       "\n",
			"go.sum":          strings.Repeat("\n", maxLines+1),
			"binary":          strings.Repeat("\n\x00", maxLines+1),
			"testdata/big.go": strings.Repeat("\n", maxLines+1),
		},
		[]string{"b.md:601: 601 lines, over 600", "stale.csv:1: listed"},
	},
	{
		"machine paths", checkMachinePaths,
		map[string]string{
			"fine.md": "see https://example.com/home/x, ./work/y, a/root/b, {id}/work/x and /v1/home/",
			"a.go":    "package a\n\n// see /" + "work/main",
			"b.sh":    "cd \"/" + "home/bob\"\n\ncat file:/" + "//root/x\n",
			"c.md":    "C:" + `\Users\bob`,
			".ci/run": "/" + "Users/bob",
			".git/x":  "/" + "Users/bob",
		},
		[]string{".ci/run:1: ", "a.go:3: ", "b.sh:1: ", "b.sh:3: ", "c.md:1: "},
	},
	{
		"files that do not parse", func(t *tree) []finding { return t.broken },
		map[string]string{"a.go": "package a\nfunc {", "_b.go": "nothing"},
		[]string{"a.go:1: "},
	},
}

// TestRules runs every rule on small modules.
func TestRules(t *testing.T) {
	for _, test := range selfTests {
		t.Run(test.name, func(t *testing.T) {
			fsys := fstest.MapFS{}
			for name, text := range test.files {
				fsys[name] = &fstest.MapFile{Data: []byte(text)}
			}
			tr, err := load(fsys)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range test.check(tr) {
				got = append(got, f.String())
			}
			for i := range max(len(got), len(test.want)) {
				switch {
				case i >= len(got):
					t.Errorf("not found: %s", test.want[i])
				case i >= len(test.want):
					t.Errorf("found too much: %s", got[i])
				case !strings.HasPrefix(got[i], test.want[i]):
					t.Errorf("found %s\n  want %s", got[i], test.want[i])
					t.Errorf("found %s\n  want %s", got[i], test.want[i])
				}
			}
		})
	}
}

// TestEveryRuleIsTested keeps a rule from being added without a small module
// that breaks it.
func TestEveryRuleIsTested(t *testing.T) {
	breaks := map[string]bool{}
	for _, test := range selfTests {
		fsys := fstest.MapFS{}
		for name, text := range test.files {
			fsys[name] = &fstest.MapFile{Data: []byte(text)}
		}
		tr, err := load(fsys)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range checks {
			breaks[c.name] = breaks[c.name] || len(test.want) > 0 && len(c.run(tr)) > 0
		}
	}
	for _, c := range checks {
		if !breaks[c.name] {
			t.Errorf("self_test.go: no small module breaks the rule %q", c.name)
		}
	}
}
