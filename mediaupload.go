package siftdb

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/siftdb/siftdb/internal/errs"
	"github.com/siftdb/siftdb/media"
)

// uploads are the paths of files that are on their way: stored, or about to be, and not
// written down yet. SweepMedia leaves them alone.
type uploads struct {
	mu     sync.Mutex
	paths  map[string]struct{}
	shared atomic.Bool // another database uses the store, too
}

func (u *uploads) begin(path string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.paths == nil {
		u.paths = make(map[string]struct{})
	}
	u.paths[path] = struct{}{}
}

func (u *uploads) end(path string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.paths, path)
}

func (u *uploads) has(path string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	_, ok := u.paths[path]
	return ok
}

// upload is one file on its way.
type upload struct {
	FileInfo
	claimed string    // the content type that the client named
	content *ownError // until it has been read
	held    held      // where it lies in the spool, if it does
}

// ownError remembers the error of a reader, so that it can be told from that of whoever
// reads.
type ownError struct {
	r   io.Reader
	err error
}

func (o *ownError) Read(p []byte) (int, error) {
	n, err := o.r.Read(p)
	if err != nil && err != io.EOF {
		o.err = err
	}
	return n, err
}

// uploading stores files of one call: their bytes first, and then their records, in one
// write with whatever else the call is about. Unless that succeeds, close deletes the
// bytes again.
type uploading struct {
	db                      *DB
	store                   media.Store
	app, organization, user *int64
	paths                   []string // that may hold bytes
	spool                   *spool   // not nil while the rules have not let the files through
}

func (db *DB) uploading(options []WriteOption) (*uploading, error) {
	store, err := db.mediaStore()
	if err != nil {
		return nil, err
	}
	if db.opts.ReadOnly {
		return nil, errs.New(errs.ReadOnly, "the database was opened read-only")
	}
	opts, err := makeWriteOptions(options)
	if err != nil {
		return nil, err
	}
	up := &uploading{db: db, store: store}
	if opts.user != nil {
		var u User
		if err := json.Unmarshal(opts.user, &u); err != nil {
			return nil, err
		}
		up.user = &u.ID
	}
	return up, nil
}

// put stores the bytes of a file.
func (up *uploading) put(ctx context.Context, u *upload, r io.Reader) error {
	u.Path = media.NewPath(up.app, up.organization, u.Name)
	up.db.uploads.begin(u.Path)
	up.paths = append(up.paths, u.Path)
	in := media.NewInspector(r, u.claimed)
	info, err := up.store.Put(ctx, u.Path, in)
	if err != nil {
		return firstError(u.content.err, fromMedia(err))
	}
	facts := in.Facts()
	if info.Size != facts.Size {
		return errs.New(errs.Unavailable, "the store of files took %d bytes of %d", info.Size, facts.Size)
	}
	u.Bytes, u.Checksum, u.ContentType = facts.Size, facts.Checksum, facts.ContentType
	u.Width, u.Height = facts.Width, facts.Height
	u.Encrypted = up.db.opts.MediaKey != nil
	return nil
}

// name gives files their ids and URLs. It is a write of its own, so that hooks are run
// on data that have both.
func (up *uploading) name(ctx context.Context, files []*upload) error {
	ids, err := up.db.reserve(ctx, filesType, len(files))
	if err != nil {
		return err
	}
	for i, u := range files {
		u.ID, u.UserID, u.AppID, u.OrganizationID = ids[i], up.user, up.app, up.organization
		u.URL = up.db.fileURL(&u.FileInfo)
	}
	return nil
}

// record writes the records of files; entry is that which they were uploaded through.
// Folders must be there still.
func (t *tx) record(files []*upload, entry *int64) error {
	st, err := t.own(filesType)
	if err != nil {
		return err
	}
	st.begin("insert")
	for _, u := range files {
		if u.FolderID != nil {
			folders, err := t.own(foldersType)
			if err == nil {
				err = folders.mustHold("folder", u.FolderID)
			}
			if err != nil {
				return err
			}
		}
		u.EntryID = clonePtr(entry)
		e, err := st.insertOwn(u.ID, u.record())
		if err != nil {
			return err
		}
		u.CreatedAt, u.UpdatedAt = e.CreatedAt, e.UpdatedAt
	}
	return nil
}

// settle is told how the write of the records ended. Of one whose outcome is unknown
// the bytes stay: it may have been applied.
func (up *uploading) settle(files []*upload, err error) {
	switch {
	case err == nil:
		up.paths = slices.DeleteFunc(up.paths, func(path string) bool {
			used := slices.ContainsFunc(files, func(u *upload) bool { return u.Path == path })
			if used {
				up.db.uploads.end(path)
			}
			return used
		})
	case errors.Is(err, ErrUnknownOutcome):
		up.paths = nil
	}
}

// close deletes what was stored and not written down.
func (up *uploading) close(ctx context.Context) {
	if up == nil {
		return
	}
	up.spool.close()
	for _, path := range up.paths {
		up.db.discard(ctx, path)
		up.db.uploads.end(path)
	}
}

// discardTime is how long a store may take to delete a file.
const discardTime = 30 * time.Second

// discard deletes bytes, also when the context is done. What the store does not let go
// of is left to SweepMedia.
func (db *DB) discard(ctx context.Context, path string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), discardTime)
	defer cancel()
	_ = db.opts.Media.Delete(ctx, path)
}

// FileUpload is a file that belongs to no entry.
type FileUpload struct {
	Name           string // directories in it are cut off
	ContentType    string // empty: the bytes tell
	Content        io.Reader
	ClientChecksum string // kept as it is
	FolderID       *int64
	// AppID and OrganizationID own it. Where both are nil, the folder's do, or else the
	// principal's.
	AppID, OrganizationID *int64
}

// Upload stores a file. It is not held in memory.
func (f *Files) Upload(ctx context.Context, file FileUpload, options ...WriteOption) (FileInfo, error) {
	if file.Content == nil {
		return FileInfo{}, errs.New(errs.InvalidInput, "there is no file to upload")
	}
	name := file.Name
	if name == "" {
		name = media.CleanName("") // also a file without a byte is wanted
	}
	form := FormOf(Part{Name: "checksum", Text: file.ClientChecksum}, Part{Name: "files", FileName: name, ContentType: file.ContentType, Content: file.Content})
	form.FolderID, form.AppID, form.OrganizationID = file.FolderID, file.AppID, file.OrganizationID
	list, err := f.UploadForm(ctx, form, options...)
	if err != nil {
		return FileInfo{}, err
	}
	return list[0], nil
}

// UploadForm stores the files of a form, all of them or none, whatever the names of
// their parts (spec 12.5). Of the texts name, name[1] and so on give files their names,
// in order, and checksum likewise; folderId or mediaFolderId, appId and organizationId
// go before those of the form, and best come before the files.
func (f *Files) UploadForm(ctx context.Context, form Form, options ...WriteOption) ([]FileInfo, error) {
	up, err := f.db.uploading(options)
	if err != nil {
		return nil, err
	}
	defer up.close(ctx)
	in := fileForm{Form: form}
	if err := in.read(ctx, up); err != nil {
		return nil, err
	}
	if len(in.files) == 0 {
		return nil, errs.New(errs.InvalidInput, "the form holds no file")
	}
	if err := in.place(ctx, up); err != nil {
		return nil, err
	}
	in.describe()
	if err := up.name(ctx, in.files); err != nil {
		return nil, err
	}
	_, err = f.db.write(ctx, options, func(t *tx) error { return t.record(in.files, nil) })
	up.settle(in.files, err)
	if err != nil {
		return nil, err
	}
	list := make([]FileInfo, len(in.files))
	for i, u := range in.files {
		list[i] = u.FileInfo
	}
	return list, nil
}

// fileForm is a form of files without an entry, as far as it has been read.
type fileForm struct {
	Form
	files            []*upload
	names, checksums map[int]string
}

func (in *fileForm) read(ctx context.Context, up *uploading) error {
	if in.Parts == nil {
		return nil
	}
	for part, err := range in.Parts {
		if err != nil {
			return err
		}
		if part.Content == nil {
			err = in.set(part)
		} else {
			err = in.take(ctx, up, part)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// set takes a text.
func (in *fileForm) set(part Part) (err error) {
	base, index, indexed := cutIndex(part.Name)
	if !indexed {
		base, _ = columnName(part.Name)
	}
	note := func(list *map[int]string) {
		if *list == nil {
			*list = make(map[int]string)
		}
		if !indexed {
			index = len(*list)
		}
		(*list)[index] = part.Text
	}
	switch base {
	case "name":
		note(&in.names)
	case "checksum":
		note(&in.checksums)
	case "folderId", "mediaFolderId":
		in.FolderID, err = parseFolder(part.Text)
	case "appId":
		in.AppID, err = parseFolder(part.Text)
	case "organizationId":
		in.OrganizationID, err = parseFolder(part.Text)
	}
	return err
}

// take stores a file.
func (in *fileForm) take(ctx context.Context, up *uploading, part Part) error {
	u, err := part.file()
	if err != nil || u == nil {
		return err
	}
	if name := in.names[len(in.files)]; name != "" {
		u.Name = media.CleanName(name)
	}
	if err := in.place(ctx, up); err != nil {
		return err
	}
	in.files = append(in.files, u)
	return up.put(ctx, u, u.content)
}

// place works out whose the files are.
func (in *fileForm) place(ctx context.Context, up *uploading) (err error) {
	up.app, up.organization, err = up.db.placing(ctx, in.AppID, in.OrganizationID, in.FolderID)
	return err
}

// describe gives the files what the texts say of them.
func (in *fileForm) describe() {
	for i, u := range in.files {
		if name := in.names[i]; name != "" {
			u.Name = media.CleanName(name)
		}
		u.ClientChecksum, u.FolderID = in.checksums[i], clonePtr(in.FolderID)
	}
}

// ownPaths visits the path of every file that is written down.
func (db *DB) ownPaths(ctx context.Context, visit func(path string)) error {
	ds, err := db.ownSource(ctx, filesType)
	if err != nil || ds == nil {
		return err
	}
	for e, err := range ds.Each(ctx, Query{Attributes: []string{"path"}}) {
		if err != nil {
			return err
		}
		visit(e.doc.Field("path").Str())
	}
	return nil
}
