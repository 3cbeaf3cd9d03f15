package siftdb_test

import (
	"bytes"
	"encoding/json"
	"image"
	"image/png"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/media"
	"github.com/siftdb/siftdb/security"
)

// mediaDB is a database in memory that keeps files in a store of its own.
func mediaDB(t testing.TB, options siftdb.Options) (*siftdb.DB, media.Store) {
	t.Helper()
	if options.Media == nil {
		options.Media = media.Memory()
	}
	return memoryDB(t, &options), options.Media
}

// fileTable makes a data source of organization 1 and app 2.
func fileTable(t testing.TB, db *siftdb.DB, rules string) *siftdb.DataSource {
	t.Helper()
	return must[*siftdb.DataSource](t)(db.Create(ctx, siftdb.DataSourceSpec{Name: "T", OrganizationID: new(int64(1)), AppID: new(int64(2)), AccessRules: json.RawMessage(rules)}))
}

func textPart(name, text string) siftdb.Part { return siftdb.Part{Name: name, Text: text} }

func filePart(name, file, content string) siftdb.Part {
	return siftdb.Part{Name: name, FileName: file, Content: strings.NewReader(content)}
}

// pngOf is an image of a size.
func pngOf(t testing.TB, width, height int) string {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, width, height))); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// stored returns the paths in a store, in order.
func stored(t testing.TB, store media.Store) []string {
	t.Helper()
	paths := []string{}
	for info, err := range store.List(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, info.Path)
	}
	slices.Sort(paths)
	return paths
}

// listed returns the paths of the files that are known and lie in no folder, in order.
func listed(t testing.TB, db *siftdb.DB) []string {
	t.Helper()
	paths := []string{}
	for _, info := range must[[]siftdb.FileInfo](t)(db.Files().List(ctx, siftdb.FileQuery{})) {
		paths = append(paths, info.Path)
	}
	slices.Sort(paths)
	return paths
}

// agree makes sure that there is no file without a record and no record without a file.
func agree(t testing.TB, db *siftdb.DB, store media.Store) {
	t.Helper()
	if have, know := stored(t, store), listed(t, db); !slices.Equal(have, know) {
		t.Errorf("stored are %q, known are %q", have, know)
	}
}

// fileID returns the id in a column of an entry.
func fileID(t testing.TB, e *siftdb.Entry, column string) int64 {
	t.Helper()
	id, ok := e.Get(column + "MediaFileId").(float64)
	if !ok {
		t.Fatalf("no id in %s", e.JSON())
	}
	return int64(id)
}

// contentOf reads a file.
func contentOf(t testing.TB, db *siftdb.DB, id int64) string {
	t.Helper()
	f, _, err := db.Files().Open(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	text, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// userToken is a principal of organization 1 and app 2 with a user.
func userToken(user string) *security.Principal {
	return &security.Principal{TokenID: 7, OrganizationID: new(int64(1)), AppID: new(int64(2)), User: map[string]any{"Email": user}}
}

// asJSON writes any value for comparing.
func jsonOf(t testing.TB, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
