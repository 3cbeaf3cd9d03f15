package siftdb_test

import (
	"errors"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/siftdb/siftdb"
)

// TestImport is the table of spec 2.7.
func TestImport(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		for name, c := range map[string]struct {
			file    string
			options siftdb.ImportOptions
			rows    []string
			columns []string
		}{
			"csv":           {"b,a\n1,x\n,\"y, \"\"z\"\"\"\r\n", siftdb.ImportOptions{}, []string{`{"b":"1","a":"x"}`, `{"b":"","a":"y, \"z\""}`}, []string{"b", "a"}},
			"mark":          {"\xef\xbb\xbfb\n1\n", siftdb.ImportOptions{}, []string{`{"b":"1"}`}, []string{"b"}},
			"header alone":  {"b,c\n", siftdb.ImportOptions{}, []string{}, []string{"b", "c"}},
			"lines":         {"b\n\"1\n2\"\n", siftdb.ImportOptions{}, []string{`{"b":"1\n2"}`}, []string{"b"}},
			"csv, appended": {"c,old\n1,2\n", siftdb.ImportOptions{Append: true}, []string{`{"old":1}`, `{"c":"1","old":"2"}`}, []string{"old", "c"}},
			"json":          {` [{"z":1.10,"a":[null]},{}] `, siftdb.ImportOptions{}, []string{`{"z":1.10,"a":[null]}`, `{}`}, []string{"z", "a"}},
			"json, appended": {`[{"id":7,"dataSourceId":1}]`, siftdb.ImportOptions{Append: true, Format: siftdb.ImportJSON},
				[]string{`{"old":1}`, `{"id":7}`}, []string{"old", "id", "dataSourceId"}},
			"empty json":         {`[]`, siftdb.ImportOptions{}, []string{}, []string{}},
			"csv with a bracket": {"[b\n1\n", siftdb.ImportOptions{Format: siftdb.ImportCSV}, []string{`{"[b":"1"}`}, []string{"[b"}},
		} {
			ds := table(t, db, name, `{"old":1}`)
			result, err := ds.Import(ctx, strings.NewReader(c.file), c.options)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if diff := cmp.Diff(c.rows, texts(all(t, ds))); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
			if info := must[siftdb.DataSourceInfo](t)(ds.Info(ctx)); !cmp.Equal(info.Columns, c.columns) {
				t.Errorf("%s: the columns are %q", name, info.Columns)
			}
			if v := versionsOf(t, ds)[0]; v.Action != "import" || v.ID != result.Version {
				t.Errorf("%s leaves version %+v of %+v", name, v, result)
			}
		}
	})
}

// TestBadImport: a file that cannot be read changes nothing, and the error names the
// line.
func TestBadImport(t *testing.T) {
	ds := table(t, memoryDB(t, nil), "t", `{"old":1}`)
	before := versionsOf(t, ds)
	for file, says := range map[string]string{
		"":                       "line 1",
		"a,a\n1,2\n":             "line 1",
		"a,\n1,2\n":              "line 1",
		"a,b\n1,2\n3\n":          "line 3",
		"a,b\n1,2\n3,4,5\n":      "line 3",
		"a\n1\n\"2\n":            "line",
		"a\n1\nx\"y\n":           "line 3",
		`[{"a":1},5]`:            "member 1",
		`[{"a":1}`:               "line 1",
		`[{"a":1},{"a":` + "\n]": "line 2",
		"a\n\xff\n":              "UTF-8",
		"\xff\n1\n":              "UTF-8",
	} {
		_, err := ds.Import(ctx, strings.NewReader(file), siftdb.ImportOptions{})
		if !isInvalid(err) || !strings.Contains(err.Error(), says) {
			t.Errorf("%q gives %v", file, err)
		}
	}
	broken := errors.New("the line is dead")
	for _, head := range []string{"a\n1\n", "[", ""} {
		_, err := ds.Import(ctx, iotest.TimeoutReader(strings.NewReader(head)), siftdb.ImportOptions{})
		if head == "" && err == nil {
			t.Error("a reader that fails is not told")
		}
	}
	if _, err := ds.Import(ctx, iotest.ErrReader(broken), siftdb.ImportOptions{}); !errors.Is(err, broken) {
		t.Errorf("a reader that fails gives %v", err)
	}
	if _, err := ds.Import(ctx, strings.NewReader("a"), siftdb.ImportOptions{Format: "xlsx"}); !isInvalid(err) {
		t.Errorf("an unknown format gives %v", err)
	}
	if diff := cmp.Diff(before, versionsOf(t, ds)); diff != "" || len(all(t, ds)) != 1 {
		t.Errorf("something was changed: %s", diff)
	}
}
