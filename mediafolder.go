package siftdb

import (
	"context"
	"encoding/json"
	"time"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/errs"
	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/security"
)

// FolderInfo describes a folder of files. As JSON it has the shape of spec 13.2.
type FolderInfo struct {
	ID             int64
	Name           string
	ParentID       *int64 // nil for one that lies in no other
	OrganizationID *int64
	AppID          *int64

	CreatedAt, UpdatedAt time.Time
}

// MarshalJSON returns the JSON shape of spec 13.2.
func (i FolderInfo) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		ID             int64   `json:"id"`
		Name           string  `json:"name"`
		ParentID       *int64  `json:"parentId"`
		OrganizationID *int64  `json:"organizationId"`
		AppID          *int64  `json:"appId"`
		CreatedAt      string  `json:"createdAt"`
		UpdatedAt      string  `json:"updatedAt"`
		DeletedAt      *string `json:"deletedAt"`
	}{i.ID, i.Name, i.ParentID, i.OrganizationID, i.AppID, formatTime(i.CreatedAt), formatTime(i.UpdatedAt), nil})
}

// folderRecord is what is stored of a folder, beside its id and times.
type folderRecord struct {
	Name           string `json:"name"`
	ParentID       *int64 `json:"parentId"`
	OrganizationID *int64 `json:"organizationId"`
	AppID          *int64 `json:"appId"`
}

// folderInfo reads a record.
func folderInfo(e *Entry) (FolderInfo, error) {
	var r folderRecord
	if err := e.Decode(&r); err != nil {
		return FolderInfo{}, errs.Wrap(errs.Corrupt, err, "the record of folder %d cannot be read", e.ID)
	}
	return FolderInfo{e.ID, r.Name, r.ParentID, r.OrganizationID, r.AppID, e.CreatedAt, e.UpdatedAt}, nil
}

// folder returns a folder that is there for the handle's principal.
func (db *DB) folder(ctx context.Context, id int64) (FolderInfo, error) {
	e, err := db.record(ctx, foldersType, "folder", id)
	if err != nil {
		return FolderInfo{}, err
	}
	info, err := folderInfo(e)
	if err == nil && !db.shares(info.AppID, info.OrganizationID) {
		err = unknownRecord("folder", id)
	}
	return info, err
}

// FolderSpec says what CreateFolder makes.
type FolderSpec struct {
	Name string // 1 to 255 characters after trimming; need not be unique
	// ParentID is the folder that it lies in, which gives it its app and organization
	// where these are nil.
	ParentID       *int64
	AppID          *int64
	OrganizationID *int64
}

// CreateFolder makes a folder. What belongs to nobody else belongs to the principal's
// app and organization.
func (f *Files) CreateFolder(ctx context.Context, spec FolderSpec, options ...WriteOption) (FolderInfo, error) {
	var info FolderInfo
	name, err := checkName(spec.Name)
	if err != nil {
		return info, errs.New(errs.InvalidInput, "a folder needs a name of 1 to 255 characters, in UTF-8")
	}
	app, organization, err := f.db.placing(ctx, spec.AppID, spec.OrganizationID, spec.ParentID)
	if err != nil {
		return info, err
	}
	var e *Entry
	_, err = f.db.write(ctx, options, func(t *tx) error {
		st, err := t.own(foldersType)
		if err != nil {
			return err
		}
		st.begin("insert")
		if err := st.mustHold("folder", spec.ParentID); err != nil {
			return err
		}
		id, err := st.nextID()
		if err != nil {
			return err
		}
		e, err = st.insertOwn(id, folderRecord{name, spec.ParentID, organization, app})
		return err
	})
	if err != nil {
		return info, err
	}
	return folderInfo(e)
}

// mustHold fails unless a record exists; nil is none.
func (st *sourceTx) mustHold(what string, id *int64) error {
	if id == nil {
		return nil
	}
	var rec layout.Record
	ok, err := st.get(*id, &rec)
	if err == nil && !ok {
		err = unknownRecord(what, *id)
	}
	return err
}

// placing works out the app and the organization of what is put into a folder, or into
// none, and checks that the principal may put it there.
func (db *DB) placing(ctx context.Context, app, organization, folder *int64) (*int64, *int64, error) {
	p := db.as
	if p.IsAnonymous() {
		return nil, nil, (&security.Denied{Unauthorised: true}).On(0, "")
	}
	if folder != nil {
		info, err := db.folder(ctx, *folder)
		if err != nil {
			return nil, nil, err
		}
		if app == nil && organization == nil {
			app, organization = info.AppID, info.OrganizationID
		} else if !info.holds(app, organization) {
			return nil, nil, unknownRecord("folder", *folder)
		}
	}
	if p == nil {
		return app, organization, nil
	}
	if app == nil && organization == nil {
		app = p.AppID
	}
	if organization == nil {
		organization = p.OrganizationID
	}
	switch {
	case !p.Sees(organization):
		return nil, nil, errs.New(errs.Forbidden, "the token belongs to another organization than %d", *organization)
	case app == nil && organization == nil:
		return nil, nil, errs.New(errs.InvalidInput, "a file or folder needs a context: an app, an organization or a folder")
	}
	return app, organization, nil
}

// holds reports whether files of an app and an organization may lie in the folder.
func (i *FolderInfo) holds(app, organization *int64) bool {
	return equalPtr(i.OrganizationID, organization) || i.AppID != nil && equalPtr(i.AppID, app)
}

// Folders returns the folders that the query selects and that are there for the
// principal, by id.
func (f *Files) Folders(ctx context.Context, q FileQuery) ([]FolderInfo, error) {
	list := []FolderInfo{}
	err := f.each(ctx, foldersType, "parentId", q, func(e *Entry) error {
		info, err := folderInfo(e)
		if err == nil && f.db.shares(info.AppID, info.OrganizationID) {
			list = append(list, info)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

// DeleteFolder removes an empty folder; one that holds a file or a folder is
// ErrConflict. It is for admins.
func (f *Files) DeleteFolder(ctx context.Context, id int64) error {
	if err := f.db.unrestricted("delete a folder"); err != nil {
		return err
	}
	if _, err := f.db.folder(ctx, id); err != nil {
		return err
	}
	_, err := f.db.write(ctx, nil, func(t *tx) error {
		st, err := t.own(foldersType)
		if err != nil {
			return err
		}
		st.begin("delete")
		var rec layout.Record
		ok, err := st.get(id, &rec)
		if err == nil && !ok {
			err = unknownRecord("folder", id)
		}
		if err == nil {
			err = t.mustBeEmptyFolder(id)
		}
		if err != nil {
			return err
		}
		return st.remove(&rec)
	})
	return err
}

// mustBeEmptyFolder fails when something lies in a folder. It looks at every record.
func (t *tx) mustBeEmptyFolder(id int64) error {
	for _, kind := range []struct{ name, folder string }{{foldersType, "parentId"}, {filesType, "mediaFolderId"}} {
		st, err := t.own(kind.name)
		if err != nil {
			return err
		}
		from, to := layout.EntryRange(st.id, 0)
		c := t.w.Scan(layout.Entries, from, to, false)
		var rec layout.Record
		for key, value, ok := c.Next(); ok; key, value, ok = c.Next() {
			if err := rec.DecodeEntry(key, value); err != nil {
				return err
			}
			in := document.Stored(rec.Doc, st.src.names).Field(kind.folder)
			if in.Kind() == document.Number && in.Float() == float64(id) {
				return errs.New(errs.Conflict, "folder %d is not empty", id)
			}
		}
		if err := c.Err(); err != nil {
			return err
		}
	}
	return nil
}
