package siftdb

import (
	"context"
	"errors"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/security"
)

// InsertWithFiles stores a form as a new entry, with its files (spec 12.6, 13.3). They
// succeed or fail together. Before a file is stored the rules are asked about what has
// been sent up to there, and in the end about all of it; to them a file is a column
// whose value is its name. A rule with a script that takes that column out of the data,
// or sets it to something else, keeps its files from being stored.
//
// A folder that is not there is ErrNotFound.
func (ds *DataSource) InsertWithFiles(ctx context.Context, form Form, options ...WriteOption) (*Entry, error) {
	return ds.withFiles(ctx, &entryForm{ds: ds, Form: form, insert: true, options: options})
}

// UpdateWithFiles merges a form into an entry, as UpdateEntry does with data, and
// InsertWithFiles with files. Files that a column had before are not deleted.
func (ds *DataSource) UpdateWithFiles(ctx context.Context, id int64, form Form, options ...WriteOption) (*Entry, error) {
	return ds.withFiles(ctx, &entryForm{ds: ds, Form: form, id: id, options: options})
}

// entryForm is a form on its way into an entry.
type entryForm struct {
	Form
	ds      *DataSource
	insert  bool
	id      int64 // of an update
	options []WriteOption
	data    formData
	up      *uploading // nil before the first file
	changed int64      // of an update: the commit that changed the entry last that the rules saw; 0 without rules
	counts  sees       // the columns that the limit of keys is about
	sees    sees       // what is seen of that entry
}

func (ds *DataSource) withFiles(ctx context.Context, in *entryForm) (*Entry, error) {
	if err := ds.writable(); err != nil {
		return nil, err
	}
	defer func() { in.up.close(ctx) }()
	if err := in.read(ctx); err != nil {
		return nil, err
	}
	switch {
	case in.up == nil && in.insert:
		return ds.Insert(ctx, in.data.sent(), in.options...)
	case in.up == nil:
		return ds.UpdateEntry(ctx, in.id, in.data.sent(), in.options...)
	}
	granted, err := in.allow(ctx)
	if err != nil {
		return nil, err
	}
	files := in.data.uploads()
	if err := in.release(ctx, files); err != nil {
		return nil, err
	}
	if err := in.up.name(ctx, files); err != nil {
		return nil, err
	}
	entry, whole, err := in.write(ctx, granted, files)
	in.up.settle(files, err)
	if err != nil {
		return nil, err
	}
	return ds.written(ctx, entry, whole, whole), nil
}

// read reads the form, and stores its files.
func (in *entryForm) read(ctx context.Context) error {
	if in.Parts == nil {
		return nil
	}
	for part, err := range in.Parts {
		switch {
		case err != nil:
		case part.Content != nil:
			err = in.take(ctx, part)
		case part.Name == schemaPart:
			err = in.data.setSchema(part.Text)
		default:
			err = in.data.add(part.Name, formValue{text: part.Text})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// take stores a file, or keeps it while the rules have not let it through.
func (in *entryForm) take(ctx context.Context, part Part) error {
	u, err := part.file()
	if err != nil || u == nil {
		return err
	}
	if err := in.data.add(part.Name, formValue{file: u}); err != nil {
		return err
	}
	if in.up == nil {
		if err := in.begin(ctx); err != nil {
			return err
		}
	}
	if err := in.place(ctx, u); err != nil {
		return err
	}
	if in.up.spool != nil {
		return in.up.spool.hold(u)
	}
	return in.up.put(ctx, u, u.content)
}

// begin prepares for the first file.
func (in *entryForm) begin(ctx context.Context) error {
	up, err := in.ds.db.uploading(in.options)
	if err != nil {
		return err
	}
	src, err := in.ds.reach(ctx)
	if err != nil {
		return err
	}
	up.app, up.organization = clonePtr(src.def.AppID), clonePtr(src.def.OrganizationID)
	_, err = in.judge(ctx, in.data.sent())
	if isDenied(err) && !errors.Is(err, ErrUnauthorised) || isMissing(err) && !in.ds.db.as.Unrestricted() {
		policy, broken := src.policy()
		if broken == nil && !policy.Empty() { // what is yet to come may change it
			up.spool, err = newSpool()
		}
	}
	if err == nil {
		in.up = up
	}
	return err
}

// judge asks the rules about data, and returns what is to be stored.
func (in *entryForm) judge(ctx context.Context, data D) (document.Value, error) {
	values, err := []any{data}, error(nil)
	switch {
	case in.insert:
		values, err = in.ds.sending(ctx, security.Request{Operation: security.Insert}, values, true)
	case in.ds.db.as == nil:
		_, err = in.ds.findByID(ctx, in.id)
	default:
		var j judged
		j, err = in.ds.updating(ctx, in.id, data)
		values, in.changed, in.sees, in.counts = j.values, j.changed, j.sees, j.counts()
	}
	if err != nil {
		return document.Value{}, err
	}
	return document.FromGo(values[0], in.ds.db.opts.Limits.document())
}

// allow asks the rules about the whole form. Files of columns that a script took out, or
// changed, are dropped.
func (in *entryForm) allow(ctx context.Context) (document.Value, error) {
	data := in.data.sent()
	granted, err := in.judge(ctx, data)
	if err != nil {
		return granted, err
	}
	sent, err := document.FromGo(data, in.ds.db.opts.Limits.document())
	if err != nil {
		return granted, err
	}
	for _, c := range in.data.columns {
		if c.files() && !document.Equal(granted.Field(c.name), sent.Field(c.name)) {
			in.data.drop(c.name)
		}
	}
	return granted, nil
}

// place works out the folder of a file: that of its column, else that of the form (spec
// 13.3).
func (in *entryForm) place(ctx context.Context, u *upload) error {
	u.DataSourceID, u.FolderID = in.ds.id, in.data.schema[u.Column].folder
	if u.FolderID == nil {
		u.FolderID = in.FolderID
	}
	if u.FolderID == nil {
		return nil
	}
	folder, err := in.ds.db.folder(ctx, *u.FolderID)
	if err == nil && !folder.holds(in.up.app, in.up.organization) {
		err = unknownRecord("folder", *u.FolderID)
	}
	return err
}

// release stores the files that were kept, and settles the folders of all.
func (in *entryForm) release(ctx context.Context, files []*upload) error {
	for _, u := range files {
		if err := in.place(ctx, u); err != nil {
			return err
		}
	}
	if in.up.spool == nil {
		return nil
	}
	for _, u := range files {
		if err := in.up.put(ctx, u, in.up.spool.reader(u)); err != nil {
			return err
		}
	}
	return nil
}

// write stores the entry and the records of its files. It returns the entry, and the
// data that were sent.
func (in *entryForm) write(ctx context.Context, granted document.Value, files []*upload) (*Entry, document.Value, error) {
	opts, err := makeWriteOptions(in.options)
	if err != nil {
		return nil, granted, err
	}
	if !in.insert {
		return in.update(ctx, granted, files, opts.source)
	}
	var entry *Entry
	whole, err := in.over(granted, document.Value{})
	if err != nil {
		return nil, whole, err
	}
	_, err = in.ds.insertRows(ctx, []any{whole}, true, in.options, func(st *sourceTx, r *rows) ([]layout.Record, error) {
		st.begin("insert")
		recs, err := st.insertAll(r, nil)
		if err != nil {
			return nil, err
		}
		entry = newEntry(st.id, st.src.names, &recs[0])
		return recs, st.t.record(files, &entry.ID)
	})
	return entry, whole, err
}

// over puts the columns of the files over the data that the rules granted.
func (in *entryForm) over(granted, stored document.Value) (document.Value, error) {
	columns, err := document.FromGo(in.data.stored(stored), document.Limits{})
	if err != nil {
		return granted, err
	}
	return mergeValues(granted, columns)
}

// update is write for an entry that exists. What is stored is worked out on the entry as
// it is, and the transaction confirms that it still is.
func (in *entryForm) update(ctx context.Context, granted document.Value, files []*upload, label string) (entry *Entry, patch document.Value, err error) {
	ds := in.ds
	for range maxTries {
		h, err := ds.hooking(ctx, label)
		if err != nil {
			return nil, patch, err
		}
		before, err := ds.findByID(ctx, in.id)
		if err != nil {
			return nil, patch, err
		}
		if in.changed != 0 && before.Changed != in.changed {
			break // what the rules judged is not what is there
		}
		if patch, err = in.over(granted, before.doc); err != nil {
			return nil, patch, err
		}
		flat, err := ds.sent(patch, true)
		if err != nil {
			return nil, patch, err
		}
		// Files are news in any case.
		data, _, err := ds.updatedData(ctx, h.chain, before.doc, before.doc, flat, in.sees, true, label)
		if err == nil {
			err = h.updating(ctx, in.id, data)
		}
		if err != nil {
			return nil, patch, err
		}
		judged := &judged{changed: before.Changed, hooks: h}
		_, err = ds.writeRows(ctx, []any{whole{data}}, false, in.options, func(st *sourceTx, r *rows) error {
			st.begin("update")
			rec, err := st.judged(in.id, judged)
			if err != nil {
				return err
			}
			docs, err := st.confirm(r)
			if err != nil {
				return err
			}
			st.meet(docs[0])
			if entry, err = st.changeHooked(&rec, docs[0], true, in.counts, h); err != nil {
				return err
			}
			return st.t.record(files, &entry.ID)
		})
		if !errors.Is(err, errMoved) {
			return entry, patch, err
		}
		if err := ds.db.reload(ctx, ds.id); err != nil {
			return nil, patch, err
		}
	}
	return nil, patch, ds.overtaken()
}
