package siftdb

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/siftdb/siftdb/hooks"
	"github.com/siftdb/siftdb/internal/errs"
	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/security"
	"github.com/siftdb/siftdb/storage"
)

// DataSource is a handle on one data source: a named table of JSON entries. It
// holds no resources, is safe for concurrent use and stays valid until the
// database closes. A handle made by At or AtTime reads an old state and takes no
// writes; one made by WithSession knows who is asking.
type DataSource struct {
	db      *DB
	id      int64
	at      moment
	session *security.Session
	veil    *veil // what is hidden from whoever reads; nil hides nothing
	ruled   int64 // the revision of the definition whose rules were asked; 0 when none were
}

// ID returns the id of the data source.
func (ds *DataSource) ID() int64 { return ds.id }

// DataSourceInfo describes a data source. As JSON it has the shape of spec 1.3:
// the twelve keys that are always there, then the ones that are set.
type DataSourceInfo struct {
	ID              int64
	Name            string
	OrganizationID  *int64
	AppID           *int64
	AppCapabilities json.RawMessage // any JSON; nil is null
	Hooks           json.RawMessage // an array of objects; never nil
	Encrypted       bool            // everything stored of it is
	Columns         []string        // nil until a column is known
	Type            *string         // non-nil hides the data source from management lists
	Public          *bool           // nil is null and means false
	CreatedAt       time.Time
	UpdatedAt       time.Time // moves with every change, of entries too

	Definition  json.RawMessage // an object; nil when never set
	AccessRules json.RawMessage // an array; nil when never set
	Bundle      *bool
	DeletedAt   *time.Time // set while the data source is in the trash
	// EntriesCount is the number of entries.
	EntriesCount int64
}

// MarshalJSON returns the JSON shape of spec 1.3. EntriesCount is left out.
func (i DataSourceInfo) MarshalJSON() ([]byte, error) {
	type shape struct {
		ID              int64           `json:"id"`
		Name            string          `json:"name"`
		OrganizationID  *int64          `json:"organizationId"`
		AppID           *int64          `json:"appId"`
		AppCapabilities json.RawMessage `json:"appCapabilities"`
		Hooks           json.RawMessage `json:"hooks"`
		Encrypted       bool            `json:"encrypted"`
		Columns         []string        `json:"columns"`
		Type            *string         `json:"type"`
		Public          *bool           `json:"public"`
		CreatedAt       string          `json:"createdAt"`
		UpdatedAt       string          `json:"updatedAt"`
		Definition      json.RawMessage `json:"definition,omitempty"`
		AccessRules     json.RawMessage `json:"accessRules,omitempty"`
		Bundle          *bool           `json:"bundle,omitempty"`
		DeletedAt       *string         `json:"deletedAt,omitempty"`
	}
	s := shape{ID: i.ID, Name: i.Name, OrganizationID: i.OrganizationID, AppID: i.AppID, AppCapabilities: i.AppCapabilities,
		Hooks: i.Hooks, Encrypted: i.Encrypted, Columns: i.Columns, Type: i.Type, Public: i.Public,
		CreatedAt: formatTime(i.CreatedAt), UpdatedAt: formatTime(i.UpdatedAt),
		Definition: i.Definition, AccessRules: i.AccessRules, Bundle: i.Bundle}
	if i.DeletedAt != nil {
		t := formatTime(*i.DeletedAt)
		s.DeletedAt = &t
	}
	if s.Hooks == nil {
		s.Hooks = json.RawMessage("[]")
	}
	return json.Marshal(s)
}

// info combines a head and its cached part.
func (s *source) info(head layout.Head) DataSourceInfo {
	d := &s.def
	i := DataSourceInfo{ID: s.id, Name: d.Name, OrganizationID: clonePtr(d.OrganizationID), AppID: clonePtr(d.AppID),
		AppCapabilities: bytes.Clone(d.AppCapabilities), Hooks: bytes.Clone(d.Hooks), Encrypted: d.Encrypted,
		Columns: slices.Clone(s.columns), Type: clonePtr(d.Type), Public: clonePtr(d.Public),
		CreatedAt: fromMillis(d.CreatedAt), UpdatedAt: fromMillis(head.UpdatedAt),
		Definition: bytes.Clone(d.Definition), AccessRules: bytes.Clone(d.AccessRules), Bundle: clonePtr(d.Bundle),
		EntriesCount: head.Count}
	if i.Hooks == nil {
		i.Hooks = json.RawMessage("[]")
	}
	if d.DeletedAt != 0 {
		t := fromMillis(d.DeletedAt)
		i.DeletedAt = &t
	}
	return i
}

// Info returns the description of the data source. On a handle for an old state
// the columns and the count are those of that state, the rest is of today.
func (ds *DataSource) Info(ctx context.Context) (DataSourceInfo, error) {
	var info DataSourceInfo
	src, err := ds.reach(ctx)
	if err != nil {
		return info, err
	}
	if err := ds.met(ctx); err != nil {
		return info, err
	}
	if ds.at.kind != latest && ds.db.as.IsAnonymous() {
		return info, nobody(ds.id) // versions need a token (spec 14.2)
	}
	err = ds.db.view(ctx, func(r storage.Reader) error {
		st, err := ds.stateAt(r)
		if err != nil {
			return err
		}
		info = st.source.info(st.head)
		info.EntriesCount, info.Columns = st.count, slices.Clone(st.columns)
		return nil
	})
	if err == nil {
		ds.db.trim(&info, src)
	}
	return info, err
}

// trim takes out of a description what principals that are not admins do not see:
// hooks, rules and the definition, which can hold secrets, and the columns that no
// select would show them (spec 1.3).
func (db *DB) trim(info *DataSourceInfo, src *source) {
	if db.as.Unrestricted() {
		return
	}
	if !db.off.has(guardTrim) {
		info.Hooks, info.Definition, info.AccessRules = json.RawMessage("[]"), nil, nil
	}
	shown, err := src.shownTo(db.as, db.off)
	if err != nil {
		info.Columns = []string{}
		return
	}
	if !db.off.has(guardTrimColumns) {
		info.Columns = shown.shown(info.Columns)
	}
}

// DataSource returns a handle on the data source of an id, ErrNotFound when there
// is none or when it is in the trash.
func (db *DB) DataSource(ctx context.Context, id int64) (*DataSource, error) {
	ds := &DataSource{db: db, id: id}
	if err := ds.met(ctx); err != nil {
		return nil, err
	}
	return ds, nil
}

// Scope narrows a look-up by name. The zero value looks everywhere.
type Scope struct {
	// OrganizationID, when set, finds only data sources of that organization.
	OrganizationID *int64
	// AppID, when set, prefers data sources of that app over others.
	AppID *int64
}

// DataSourceByName returns a handle on a data source by its exact name. Of several
// the first one of the scope's app is taken, else the one with the lowest id (spec
// 12.1). Trashed ones are not found.
func (db *DB) DataSourceByName(ctx context.Context, name string, scope Scope) (*DataSource, error) {
	ds := &DataSource{db: db}
	err := db.view(ctx, func(r storage.Reader) (err error) {
		ds.id, err = db.findByName(r, name, scope)
		return err
	})
	if err == nil {
		err = ds.met(ctx)
	}
	if err != nil {
		return nil, err
	}
	return ds, nil
}

// findByName returns the id of the data source that DataSourceByName finds.
func (db *DB) findByName(r storage.Reader, name string, scope Scope) (int64, error) {
	if scope.AppID == nil && db.as != nil {
		scope.AppID = db.as.AppID
	}
	return db.findNamed(r, name, scope.AppID, func(d *definition) bool {
		return scope.OrganizationID == nil || equalPtr(d.OrganizationID, scope.OrganizationID)
	})
}

// findNamed returns the id of the data source of a name that fits: the first one of an
// app, else the one with the lowest id.
func (db *DB) findNamed(r storage.Reader, name string, app *int64, fits func(*definition) bool) (int64, error) {
	ids, err := namesakes(r, name)
	if err != nil {
		return 0, err
	}
	var found int64
	for _, id := range ids {
		head, _, err := layout.ReadHead(r, id)
		if err != nil {
			return 0, err
		}
		src, err := db.catalog.refresh(r, id, head)
		if err != nil {
			return 0, err
		}
		if head.Trashed || src.def.Name != name || !db.sees(&src.def) || !fits(&src.def) {
			continue
		}
		if app != nil && equalPtr(src.def.AppID, app) {
			return id, nil
		}
		if found == 0 {
			found = id
		}
	}
	if found == 0 {
		return 0, errs.New(errs.NotFound, "data source %q does not exist", clipText(name))
	}
	return found, nil
}

// ListOptions select data sources for DataSources. The zero value lists every one
// that is not in the trash.
type ListOptions struct {
	OrganizationID *int64 // only those of this organization
	AppID          *int64 // only those of this app
	Trashed        bool   // the ones in the trash instead of the others
}

// DataSources lists data sources by ascending id: those that the handle's principal
// sees. The trash is for admins.
func (db *DB) DataSources(ctx context.Context, options ListOptions) ([]DataSourceInfo, error) {
	if db.as.IsAnonymous() {
		return nil, nobody(0)
	}
	if options.Trashed {
		if err := db.unrestricted("list the trash"); err != nil {
			return nil, err
		}
	}
	list := []DataSourceInfo{}
	err := db.view(ctx, func(r storage.Reader) error {
		list = list[:0]
		from, to := layout.HeadRange()
		c := r.Scan(layout.Heads, from, to, false)
		for key, value, ok := c.Next(); ok; key, value, ok = c.Next() {
			head, err := layout.DecodeHead(key, value)
			if err != nil {
				return err
			}
			if head.Trashed != options.Trashed {
				continue
			}
			src, err := db.catalog.refresh(r, layout.SourceOf(key), head)
			if err != nil {
				return err
			}
			if options.OrganizationID != nil && !equalPtr(src.def.OrganizationID, options.OrganizationID) ||
				options.AppID != nil && !equalPtr(src.def.AppID, options.AppID) || !db.sees(&src.def) {
				continue
			}
			info := src.info(head)
			db.trim(&info, src)
			list = append(list, info)
		}
		return c.Err()
	})
	return list, err
}

// checkName returns a name trimmed, or an error when it is empty or longer than
// 255 characters (spec 1.3).
func checkName(name string) (string, error) {
	name = strings.TrimSpace(name)
	switch n := utf8.RuneCountInString(name); {
	case !utf8.ValidString(name):
		return "", errs.New(errs.InvalidInput, "the name of a data source is not valid UTF-8")
	case n == 0:
		return "", errs.New(errs.InvalidInput, "a data source needs a name")
	case n > 255:
		return "", errs.New(errs.InvalidInput, "the name of a data source has %d characters, more than 255", n)
	}
	return name, nil
}

// cleanColumns returns a list of columns without blanks and duplicates (spec 14.4).
func (db *DB) cleanColumns(columns []string) ([]string, error) {
	limit := db.opts.Limits.KeyBytes
	if limit == 0 {
		limit = 1024
	}
	clean := make([]string, 0, min(len(columns), 64)) // the rest may all be the same
	seen := make(map[string]struct{})
	for _, c := range columns {
		if !utf8.ValidString(c) {
			return nil, errs.New(errs.InvalidInput, "column name %q is not valid UTF-8", c)
		}
		if limit > 0 && len(c) > limit {
			return nil, errs.New(errs.InvalidInput, "a column name has %d bytes, more than %d", len(c), limit)
		}
		if _, dup := seen[c]; dup || strings.TrimSpace(c) == "" {
			continue
		}
		seen[c] = struct{}{}
		clean = append(clean, c)
	}
	return clean, nil
}

// checkJSON returns a compact copy of a JSON text that must begin with the given
// character; nil for nil and for null.
func checkJSON(name string, text json.RawMessage, begin byte) (json.RawMessage, error) {
	if text == nil {
		return nil, nil
	}
	var b bytes.Buffer
	if err := json.Compact(&b, text); err != nil {
		return nil, errs.Wrap(errs.InvalidInput, err, "%s is not JSON", name)
	}
	switch {
	case b.String() == "null":
		return nil, nil
	case begin != 0 && b.Bytes()[0] != begin:
		return nil, errs.New(errs.InvalidInput, "%s must be %s", name, map[byte]string{'[': "an array", '{': "an object"}[begin])
	}
	return b.Bytes(), nil
}

// checkHooks also makes sure that every hook has the shape of one (spec 10.1).
func checkHooks(text json.RawMessage) (json.RawMessage, error) {
	compact, err := checkJSON("hooks", text, '[')
	if err != nil || compact == nil {
		return nil, err
	}
	if _, err := hooks.Parse(compact); err != nil {
		return nil, err
	}
	return compact, nil
}

func equalPtr[T comparable](a, b *T) bool {
	return a == b || a != nil && b != nil && *a == *b
}

func clonePtr[T any](p *T) *T {
	if p == nil {
		return nil
	}
	return new(*p)
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

func fromMillis(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

// timeLayout is RFC 3339 with exactly three fraction digits (spec 1.2).
const timeLayout = "2006-01-02T15:04:05.000Z"

func formatTime(t time.Time) string { return t.UTC().Format(timeLayout) }
