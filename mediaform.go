package siftdb

import (
	"bufio"
	"encoding/json"
	"io"
	"iter"
	"strconv"
	"strings"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/errs"
	"github.com/siftdb/siftdb/media"
)

// Part is one part of a form: a text, or a file when Content is not nil.
type Part struct {
	Name string // of the column; see Form
	Text string

	FileName    string // directories in it are cut off
	ContentType string // empty when nothing was said: the bytes tell
	Content     io.Reader
}

// Form is the parts of an entry with files, in the order in which they were sent (spec
// 12.6). The name of a part is that of a column. A name that occurs more than once, or
// that ends in [], makes an array; files[0] is files. The column of a file gets its URL,
// and <column>MediaFileId its id. A file without a name and without a byte is dropped.
//
// A text part named _flSchema is JSON, {column: {mediaFolderId, append}}: the folder of
// that column's files, and whether they are added to the stored ones, on an update. It
// is not stored.
type Form struct {
	// Parts are read once, and one after the other: the content of a file until the
	// next part is asked for. An error ends them, and the call. FormOf makes them of a
	// list.
	Parts iter.Seq2[Part, error]
	// FolderID is the folder of files for which _flSchema names none; nil is none.
	FolderID *int64
	// AppID and OrganizationID own the files of Files.UploadForm. Those that go with an
	// entry belong to the app and organization of its data source.
	AppID, OrganizationID *int64
}

// FormOf returns a form of parts.
func FormOf(parts ...Part) Form {
	return Form{Parts: func(yield func(Part, error) bool) {
		for _, p := range parts {
			if !yield(p, nil) {
				return
			}
		}
	}}
}

// schemaPart is the name of the part that says where files go.
const schemaPart = "_flSchema"

// idSuffix is what the column of a file's id is called by, after the column of the file.
const idSuffix = "MediaFileId"

// columnName is the column that a part's name means, and whether it asks for an array:
// tags[] is tags, and so is tags[0].
func columnName(name string) (string, bool) {
	if base, ok := strings.CutSuffix(name, "[]"); ok {
		return base, true
	}
	base, _, ok := cutIndex(name)
	if ok {
		return base, false
	}
	return name, false
}

// cutIndex takes the index off a name such as files[0].
func cutIndex(name string) (base string, index int, ok bool) {
	open := strings.LastIndexByte(name, '[')
	if open <= 0 || !strings.HasSuffix(name, "]") {
		return name, 0, false
	}
	n, err := strconv.ParseUint(name[open+1:len(name)-1], 10, 31)
	if err != nil {
		return name, 0, false
	}
	return name[:open], int(n), true
}

// formValue is what one part gives to its column.
type formValue struct {
	text string
	file *upload // nil for a text
}

// formColumn is what the parts of one name give.
type formColumn struct {
	name   string
	list   bool
	values []formValue
}

// files reports whether a file is among the values.
func (c *formColumn) files() bool {
	for _, v := range c.values {
		if v.file != nil {
			return true
		}
	}
	return false
}

// columnSchema is what _flSchema says of a column.
type columnSchema struct {
	folder *int64
	append bool
}

// formData is a form as far as it has been read.
type formData struct {
	columns []*formColumn
	schema  map[string]columnSchema
}

// add takes a part.
func (f *formData) add(name string, v formValue) error {
	base, list := columnName(name)
	if base == "" {
		return errs.New(errs.InvalidInput, "a part of the form has no name")
	}
	if v.file != nil {
		v.file.Column = base
	}
	for _, c := range f.columns {
		if c.name == base {
			c.values, c.list = append(c.values, v), c.list || list
			return nil
		}
	}
	f.columns = append(f.columns, &formColumn{base, list, []formValue{v}})
	return nil
}

// setSchema reads the part _flSchema.
func (f *formData) setSchema(text string) error {
	var columns map[string]*struct {
		Folder json.RawMessage `json:"mediaFolderId"`
		Append bool            `json:"append"`
	}
	if err := json.Unmarshal([]byte(text), &columns); err != nil {
		return errs.Wrap(errs.InvalidInput, err, "_flSchema must be an object of {mediaFolderId, append}")
	}
	f.schema = make(map[string]columnSchema, len(columns))
	for column, s := range columns {
		if s == nil {
			continue
		}
		folder, err := parseFolder(string(s.Folder))
		if err != nil {
			return err
		}
		f.schema[column] = columnSchema{folder, s.Append}
	}
	return nil
}

// parseFolder reads the id of a folder: a number, also as a text; nothing for none.
func parseFolder(text string) (*int64, error) {
	if text = strings.Trim(strings.TrimSpace(text), `"`); text == "" || text == "null" {
		return nil, nil
	}
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil || id <= 0 {
		return nil, errs.New(errs.InvalidInput, "%q is no id of a folder", clipText(text))
	}
	return &id, nil
}

// sent is the form as data. A file is its name: that is what rules judge, before there
// is anything else of it.
func (f *formData) sent() D {
	data := D{}
	for _, c := range f.columns {
		data = append(data, E{Key: c.name, Value: c.value(c.list, func(u *upload) any { return u.Name })})
	}
	return data
}

// value is the value of a column: one, or an array where one was asked for or where
// there are several. Of files it is what file says.
func (c *formColumn) value(list bool, file func(*upload) any) any {
	values := make([]any, len(c.values))
	for i, v := range c.values {
		if values[i] = v.text; v.file != nil {
			values[i] = file(v.file)
		}
	}
	if len(values) == 1 && !list {
		return values[0]
	}
	return values
}

// stored is what the files make of their columns and of those with their ids, over what
// was stored before in columns that files are added to. An entry that is inserted has
// nothing stored: the zero Value.
func (f *formData) stored(before document.Value) D {
	data := D{}
	for _, c := range f.columns {
		if !c.files() {
			continue
		}
		list := c.list
		urls, ids := []any{}, []any{}
		if f.schema[c.name].append {
			urls, list = members(before.Field(c.name), list)
			ids, list = members(before.Field(c.name+idSuffix), list)
		}
		for _, v := range c.values {
			if v.file == nil {
				urls = append(urls, v.text)
				continue
			}
			urls, ids = append(urls, v.file.URL), append(ids, v.file.ID)
		}
		list = list || len(urls) > 1
		data = append(data, E{Key: c.name, Value: oneOrAll(urls, list)}, E{Key: c.name + idSuffix, Value: oneOrAll(ids, list)})
	}
	return data
}

// members returns what is stored in a column as a list, and whether it is one, or list.
func members(v document.Value, list bool) ([]any, bool) {
	switch k := v.Kind(); {
	case k == document.Absent, k == document.Null, k == document.String && v.Len() == 0:
		return []any{}, list
	case k == document.Array:
		all := []any{}
		for item := range v.Items() {
			all = append(all, item)
		}
		return all, true
	}
	return []any{v}, list
}

func oneOrAll(values []any, list bool) any {
	if len(values) == 1 && !list {
		return values[0]
	}
	return values
}

// drop takes the files of a column out of the form.
func (f *formData) drop(column string) {
	for _, c := range f.columns {
		if c.name != column {
			continue
		}
		for i := range c.values {
			c.values[i].file = nil
		}
	}
}

// uploads returns the files, in order.
func (f *formData) uploads() []*upload {
	var list []*upload
	for _, c := range f.columns {
		for _, v := range c.values {
			if v.file != nil {
				list = append(list, v.file)
			}
		}
	}
	return list
}

// file prepares a part that is a file; nil is one to be dropped.
func (p *Part) file() (*upload, error) {
	content := p.Content
	if p.FileName == "" {
		ahead := bufio.NewReader(content)
		if _, err := ahead.Peek(1); err == io.EOF {
			return nil, nil
		} else if err != nil {
			return nil, err
		}
		content = ahead
	}
	return &upload{FileInfo: FileInfo{Name: media.CleanName(p.FileName)}, content: &ownError{r: content}, claimed: p.ContentType}, nil
}
