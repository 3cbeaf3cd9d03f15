package siftdb

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"net/url"
	"strings"
	"time"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/errs"
	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/media"
	"github.com/siftdb/siftdb/security"
)

// Files are the files of a database, and their folders (spec 13). The bytes lie in
// Options.Media; what is known of a file is a record in the database, which comes with
// the file and goes with it. All methods are safe for concurrent use.
//
// On a handle of DB.As, a file that was uploaded through an entry is for those who may
// read that column of that entry, and any other file for the tokens of its
// organization; admins read all that they see. A refusal is ErrUnauthorised with the
// Operation FileAccess.
type Files struct{ db *DB }

// Files returns the files of the database, for the principal of the handle.
func (db *DB) Files() *Files { return &Files{db} }

// FileAccess is the Operation of the error that refuses a file.
const FileAccess = "file.access"

// FileInfo is what is known of a file. As JSON it has the shape of spec 13.1.
type FileInfo struct {
	ID            int64
	Name          string // a plain name, as media.CleanName leaves it
	ContentType   string // as the client named it, else as the first bytes look
	Path          string // in the store
	URL           string
	Bytes         int64 // the length
	Width, Height int   // in pixels, of a PNG, JPEG or GIF; else 0
	Encrypted     bool  // whether it was stored under Options.MediaKey

	Checksum       string // the MD5 of the bytes in hexadecimal
	ClientChecksum string // what the client said of it

	AppID          *int64
	OrganizationID *int64
	FolderID       *int64
	UserID         *int64 // who uploaded it, as ByUser names them

	// Of a file that was uploaded through an entry: the data source, the entry, which
	// may be gone, and the column. Else 0, nil and empty.
	DataSourceID int64
	EntryID      *int64
	Column       string

	CreatedAt, UpdatedAt time.Time
}

// MarshalJSON returns the JSON shape of spec 13.1.
func (i FileInfo) MarshalJSON() ([]byte, error) {
	type metadata struct {
		Checksum       string `json:"checksum"`
		ClientChecksum string `json:"clientChecksum,omitempty"`
	}
	s := struct {
		ID                  int64    `json:"id"`
		Name                string   `json:"name"`
		ContentType         string   `json:"contentType"`
		Path                string   `json:"path"`
		URL                 string   `json:"url"`
		Thumbnail           *string  `json:"thumbnail"`
		Size                *[2]int  `json:"size"`
		IsEncrypted         *bool    `json:"isEncrypted"`
		Versions            struct{} `json:"versions"`
		IsOrganizationMedia bool     `json:"isOrganizationMedia"`
		Metadata            metadata `json:"metadata"`
		CreatedAt           string   `json:"createdAt"`
		UpdatedAt           string   `json:"updatedAt"`
		AppID               *int64   `json:"appId"`
		OrganizationID      *int64   `json:"organizationId"`
		MediaFolderID       *int64   `json:"mediaFolderId"`
		DataSourceEntryID   *int64   `json:"dataSourceEntryId"`
		DataTrackingID      *int64   `json:"dataTrackingId"`
		UserID              *int64   `json:"userId"`
	}{ID: i.ID, Name: i.Name, ContentType: i.ContentType, Path: i.Path, URL: i.URL,
		IsOrganizationMedia: i.OrganizationID != nil, Metadata: metadata{i.Checksum, i.ClientChecksum},
		CreatedAt: formatTime(i.CreatedAt), UpdatedAt: formatTime(i.UpdatedAt), AppID: i.AppID, OrganizationID: i.OrganizationID,
		MediaFolderID: i.FolderID, DataSourceEntryID: i.EntryID, UserID: i.UserID}
	if i.Width > 0 {
		s.Size = &[2]int{i.Width, i.Height}
	}
	if i.Encrypted {
		s.IsEncrypted = new(true)
	}
	return json.Marshal(s)
}

// fileRecord is what is stored of a file, beside its id and times.
type fileRecord struct {
	Name           string `json:"name"`
	ContentType    string `json:"contentType"`
	Path           string `json:"path"`
	Bytes          int64  `json:"bytes"`
	Width          int    `json:"width"`
	Height         int    `json:"height"`
	Encrypted      bool   `json:"encrypted"`
	Checksum       string `json:"checksum"`
	ClientChecksum string `json:"clientChecksum"`
	AppID          *int64 `json:"appId"`
	OrganizationID *int64 `json:"organizationId"`
	FolderID       *int64 `json:"mediaFolderId"`
	UserID         *int64 `json:"userId"`
	DataSourceID   int64  `json:"sourceId"`
	EntryID        *int64 `json:"entryId"`
	Column         string `json:"column"`
}

func (i *FileInfo) record() fileRecord {
	return fileRecord{i.Name, i.ContentType, i.Path, i.Bytes, i.Width, i.Height, i.Encrypted, i.Checksum, i.ClientChecksum,
		i.AppID, i.OrganizationID, i.FolderID, i.UserID, i.DataSourceID, i.EntryID, i.Column}
}

// fileInfo reads a record.
func (db *DB) fileInfo(e *Entry) (FileInfo, error) {
	var r fileRecord
	if err := e.Decode(&r); err != nil {
		return FileInfo{}, errs.Wrap(errs.Corrupt, err, "the record of file %d cannot be read", e.ID)
	}
	i := FileInfo{ID: e.ID, Name: r.Name, ContentType: r.ContentType, Path: r.Path, Bytes: r.Bytes, Width: r.Width, Height: r.Height,
		Encrypted: r.Encrypted, Checksum: r.Checksum, ClientChecksum: r.ClientChecksum, AppID: r.AppID, OrganizationID: r.OrganizationID,
		FolderID: r.FolderID, UserID: r.UserID, DataSourceID: r.DataSourceID, EntryID: r.EntryID, Column: r.Column,
		CreatedAt: e.CreatedAt, UpdatedAt: e.UpdatedAt}
	i.URL = db.fileURL(&i)
	return i, nil
}

// WithPrefix returns a handle on which the URLs of files lead to a REST handler that is
// mounted under a prefix, such as "/api".
func (db *DB) WithPrefix(prefix string) *DB {
	other := *db
	other.prefix = prefix
	return &other
}

// fileURL is where a file can be fetched (spec 13.1).
func (db *DB) fileURL(i *FileInfo) string {
	if base := db.opts.MediaURL; base != "" {
		return strings.TrimSuffix(base, "/") + "/" + escapePath(i.Path)
	}
	return db.prefix + "/v1/media/files/" + itoa(i.ID) + "/contents/" + url.PathEscape(i.Name)
}

// escapePath makes a path of a file part of a URL.
func escapePath(path string) string {
	parts := strings.Split(path, "/")
	for i, part := range parts {
		parts[i] = url.PathEscape(part)
	}
	return strings.Join(parts, "/")
}

// Get returns what is known of a file, ErrNotFound when there is none of that id.
func (f *Files) Get(ctx context.Context, id int64) (FileInfo, error) {
	if f.db.as.IsAnonymous() {
		return FileInfo{}, (&security.Denied{Unauthorised: true}).On(0, "")
	}
	e, err := f.db.record(ctx, filesType, "file", id)
	if err != nil {
		return FileInfo{}, err
	}
	info, err := f.db.fileInfo(e)
	if err == nil {
		err = f.db.mayRead(ctx, &info)
	}
	if err != nil {
		return FileInfo{}, err
	}
	return info, nil
}

// Open opens a file, which the caller closes. It can be read from the middle, as an
// io.Seeker, if the store can. What it holds is decrypted.
func (f *Files) Open(ctx context.Context, id int64) (media.File, FileInfo, error) {
	info, err := f.Get(ctx, id)
	if err != nil {
		return nil, info, err
	}
	store, err := f.db.mediaStore()
	if err != nil {
		return nil, info, err
	}
	file, err := store.Get(ctx, info.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, info, errs.Wrap(errs.NotFound, err, "the bytes of file %d are not in the store", id)
	}
	if err != nil {
		return nil, info, fromMedia(err)
	}
	return file, info, nil
}

// Delete removes a file for good; columns that hold its URL keep it. A file that was
// uploaded through an entry is deleted by those who may read it and set its column in
// that entry, any other by admins. Bytes that the store does not let go of are left to
// SweepMedia.
func (f *Files) Delete(ctx context.Context, id int64) error {
	info, err := f.Get(ctx, id)
	if err != nil {
		return err
	}
	if err := f.db.mayDelete(ctx, &info); err != nil {
		return err
	}
	_, err = f.db.write(ctx, nil, func(t *tx) error {
		st, err := t.own(filesType)
		if err != nil {
			return err
		}
		st.begin("delete")
		var rec layout.Record
		ok, err := st.get(id, &rec)
		if err == nil && !ok {
			err = unknownRecord("file", id)
		}
		if err != nil {
			return err
		}
		return st.remove(&rec)
	})
	if err == nil && f.db.opts.Media != nil && !f.db.uploads.shared.Load() {
		f.db.discard(ctx, info.Path)
	}
	return err
}

// FileQuery selects files or folders. Every field that is set must be met.
type FileQuery struct {
	AppID          *int64
	OrganizationID *int64
	// FolderID is the folder that they lie in. Nil asks for those that lie in none.
	FolderID *int64
}

func (q FileQuery) where(folder string) D {
	where := D{{Key: folder, Value: q.FolderID}}
	if q.AppID != nil {
		where = append(where, E{Key: "appId", Value: *q.AppID})
	}
	if q.OrganizationID != nil {
		where = append(where, E{Key: "organizationId", Value: *q.OrganizationID})
	}
	return where
}

// List returns the files that the query selects and the principal may read, by id. A
// folder that is not there is ErrNotFound.
func (f *Files) List(ctx context.Context, q FileQuery) ([]FileInfo, error) {
	list := []FileInfo{}
	err := f.each(ctx, filesType, "mediaFolderId", q, func(e *Entry) error {
		info, err := f.db.fileInfo(e)
		if err != nil {
			return err
		}
		switch err := f.db.mayRead(ctx, &info); {
		case err == nil:
			list = append(list, info)
		case !isRefused(err):
			return err
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

// each visits the records that a query selects.
func (f *Files) each(ctx context.Context, kind, folder string, q FileQuery, visit func(*Entry) error) error {
	if f.db.as.IsAnonymous() {
		return (&security.Denied{Unauthorised: true}).On(0, "")
	}
	if q.FolderID != nil {
		if _, err := f.db.folder(ctx, *q.FolderID); err != nil {
			return err
		}
	}
	ds, err := f.db.ownSource(ctx, kind)
	if err != nil || ds == nil {
		return err
	}
	for e, err := range ds.Each(ctx, Query{Where: q.where(folder)}) {
		if err == nil {
			err = visit(e)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// mayRead refuses a file to those who may not read it (spec 13.4).
func (db *DB) mayRead(ctx context.Context, i *FileInfo) error {
	if db.as == nil {
		return nil
	}
	if ok, err := db.reads(ctx, i); err != nil || !ok {
		return firstError(err, refused())
	}
	if check := db.opts.FileAccess; check != nil && !db.off.has(guardFileCheck) && !check(ctx, db.as, *i) {
		return refused()
	}
	return nil
}

func (db *DB) reads(ctx context.Context, i *FileInfo) (bool, error) {
	if db.as.Admin || i.EntryID == nil || db.off.has(guardFile) {
		return db.shares(i.AppID, i.OrganizationID), nil
	}
	ds := &DataSource{db: db, id: i.DataSourceID}
	e, err := ds.FindByID(ctx, *i.EntryID)
	if isDenied(err) || errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil && (e.doc.Field(i.Column).Kind() != document.Absent || db.off.has(guardFileColumn)), err
}

// shares reports whether a file or folder of an app and an organization is there for
// the handle: admins see all that their organization sees, tokens what is of their own
// organization, or where there is none of their app.
func (db *DB) shares(app, organization *int64) bool {
	switch p := db.as; {
	case p.Unrestricted():
		return p.Sees(organization)
	case organization == nil:
		return app != nil && equalPtr(app, p.AppID)
	default:
		return equalPtr(organization, p.OrganizationID)
	}
}

// mayDelete refuses to delete a file that may be read.
func (db *DB) mayDelete(ctx context.Context, i *FileInfo) error {
	if db.as.Unrestricted() || db.off.has(guardFileDelete) {
		return nil
	}
	if i.EntryID == nil {
		return refused()
	}
	ds := &DataSource{db: db, id: i.DataSourceID}
	_, err := ds.updating(ctx, *i.EntryID, D{{Key: i.Column, Value: i.URL}})
	if isDenied(err) || errors.Is(err, ErrNotFound) {
		return refused()
	}
	return err
}

// refused is the error of a file that somebody may not read, in the words of the
// documentation (spec 13.4).
func refused() error {
	e := errs.New(errs.Unauthorised, "You do not have permission to access this file")
	e.Operation = FileAccess
	return e
}

func isRefused(err error) bool {
	e, ok := err.(*Error)
	return ok && e.Operation == FileAccess
}

// mediaStore returns where the bytes of files are.
func (db *DB) mediaStore() (media.Store, error) {
	if db.closed.Load() {
		return nil, errs.New(errs.Closed, "the database is closed")
	}
	if db.opts.Media == nil {
		return nil, errs.New(errs.InvalidInput, "this database keeps no files: it was opened without a place for them")
	}
	return db.opts.Media, nil
}

// fromMedia turns an error of the store of files into an Error.
func fromMedia(err error) error {
	var own *Error
	if err == nil || errors.As(err, &own) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return errs.Wrap(errs.Unavailable, err, "the store of files failed")
}
