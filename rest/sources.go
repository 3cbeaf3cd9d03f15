package rest

import (
	"cmp"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/internal/document"
)

// source finds the data source that the path names, by id or by name (spec 12.1). For a caller
// without a token only public ones exist, and of the others nothing is told, not even whether they
// are there (spec 14.2).
func (c *call) source() (*siftdb.DataSource, siftdb.DataSourceInfo, error) {
	var info siftdb.DataSourceInfo
	ds, err := c.lookUp(c.params["ds"])
	if err == nil {
		info, err = ds.Info(c.r.Context())
	}
	if err != nil && c.account == nil && problemOf(err).status == http.StatusNotFound {
		err = unauthorised()
	}
	return ds, info, err
}

// lookUp finds a data source by an id or a name. A name is looked up for the app in the parameter
// first, else for the token's.
func (c *call) lookUp(ref string) (*siftdb.DataSource, error) {
	if digits(ref) && !c.byName() {
		return c.sourceByID(ref)
	}
	app, err := c.query.id("appId")
	if err != nil {
		return nil, err
	}
	return c.db.DataSourceByName(c.r.Context(), ref, siftdb.Scope{AppID: app})
}

func (c *call) sourceByID(ref string) (*siftdb.DataSource, error) {
	id, err := strconv.ParseInt(ref, 10, 64)
	if err != nil {
		return nil, notFound("data source " + clip(ref, 30) + " does not exist")
	}
	return c.db.DataSource(c.r.Context(), id)
}

// scope is the app and the organization that a request is about, its context: those of the
// parameters, else the token's own (spec 12.3).
type scope struct {
	app, organization *int64
}

// scopeOf returns the context of a request. There must be one.
func (c *call) scopeOf(app, organization *int64) (scope, error) {
	if app == nil && organization == nil {
		app, organization = c.who.AppID, c.who.OrganizationID
	}
	if app == nil && organization == nil {
		return scope{}, invalid("The request needs a context: the parameter appId or organizationId.")
	}
	return scope{app, organization}, nil
}

// queryScope is scopeOf for parameters in the query string.
func (c *call) queryScope() (scope, error) {
	app, err := c.query.id("appId")
	if err != nil {
		return scope{}, err
	}
	organization, err := c.query.id("organizationId")
	if err != nil {
		return scope{}, err
	}
	return c.scopeOf(app, organization)
}

// listSources is GET v1/data-sources.
func listSources(c *call) error {
	in, err := c.queryScope()
	if err != nil {
		return err
	}
	keep, err := c.typeFilter()
	if err != nil {
		return err
	}
	attributes, limited, err := c.query.names("attributes")
	if err != nil {
		return err
	}
	list, err := c.list(in)
	if err != nil {
		return err
	}
	shapes := []any{}
	for _, info := range list {
		if !keep(info.Type) {
			continue
		}
		shape, err := c.shape(info, attributes, limited, false)
		if err != nil {
			return err
		}
		shapes = append(shapes, shape)
	}
	return c.json(http.StatusOK, map[string]any{"dataSources": shapes})
}

// list returns the data sources of a context that the caller may see, by id, with those that the
// app uses when includeInUse asks for them.
func (c *call) list(in scope) ([]siftdb.DataSourceInfo, error) {
	ctx := c.r.Context()
	list, err := c.db.DataSources(ctx, siftdb.ListOptions{OrganizationID: in.organization, AppID: in.app})
	if err != nil {
		return nil, err
	}
	inUse, _, err := c.query.flag("includeInUse")
	if err != nil {
		return nil, err
	}
	if inUse && in.app != nil && c.h.options.InUse != nil {
		ids, err := c.h.options.InUse(ctx, *in.app)
		if err != nil {
			return nil, err
		}
		for _, id := range ids {
			ds, err := c.db.DataSource(ctx, id)
			if err == nil {
				var info siftdb.DataSourceInfo
				if info, err = ds.Info(ctx); err == nil {
					list = append(list, info)
				}
			}
			if err != nil && !errors.Is(err, siftdb.ErrNotFound) {
				return nil, err
			}
		}
	}
	slices.SortFunc(list, func(a, b siftdb.DataSourceInfo) int { return cmp.Compare(a.ID, b.ID) })
	return slices.CompactFunc(list, func(a, b siftdb.DataSourceInfo) bool { return a.ID == b.ID }), nil
}

// typeFilter says which types a list shows: with an empty type, or null, only data sources without
// one.
func (c *call) typeFilter() (func(*string) bool, error) {
	want, given, err := c.query.text("type")
	if err != nil {
		return nil, err
	}
	exclude, _, err := c.query.names("excludeTypes")
	if err != nil {
		return nil, err
	}
	untyped := want == "" || want == "null"
	return func(t *string) bool {
		switch {
		case t == nil:
			return !given || untyped
		case given && (untyped || *t != want):
			return false
		}
		return !slices.Contains(exclude, *t)
	}, nil
}

// shape returns a data source as the caller sees it. attributes, if limited, chooses its keys; id
// is always there.
func (c *call) shape(info siftdb.DataSourceInfo, attributes []string, limited, count bool) (json.RawMessage, error) {
	text, err := json.Marshal(info)
	if err != nil {
		return nil, err
	}
	v, err := document.Parse(text, document.Limits{Depth: -1, Keys: -1, KeyBytes: -1, NumberBytes: -1})
	if err != nil {
		return nil, err
	}
	out := []byte("{")
	add := func(key string, value []byte) {
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(append(appendString(out, key), ':'), value...)
	}
	for key, value := range v.Fields() {
		if !limited || key == "id" || slices.Contains(attributes, key) {
			add(key, document.AppendJSON(nil, value))
		}
	}
	if count {
		if n, ok, err := c.countFor(info); err != nil {
			return nil, err
		} else if ok {
			add("entriesCount", strconv.AppendInt(nil, n, 10))
		}
	}
	if slices.Contains(attributes, "apps") {
		add("apps", []byte("[]"))
	}
	return append(out, '}'), nil
}

// countFor returns how many entries the caller may count; false when it may count none.
func (c *call) countFor(info siftdb.DataSourceInfo) (int64, bool, error) {
	if c.who.Admin {
		return info.EntriesCount, true, nil
	}
	ds, err := c.db.DataSource(c.r.Context(), info.ID)
	if err != nil {
		return 0, false, err
	}
	n, err := ds.Count(c.r.Context(), siftdb.Query{})
	var e *siftdb.Error
	if errors.As(err, &e) && e.Code == codeDenied {
		return 0, false, nil
	}
	return n, err == nil, err
}

// getSource is GET v1/data-sources/<ds>.
func getSource(c *call) error {
	_, info, err := c.source()
	if err != nil {
		return err
	}
	attributes, limited, err := c.query.names("attributes")
	if err != nil {
		return err
	}
	count, _, err := c.query.flag("includeEntriesCount")
	if err != nil {
		return err
	}
	return c.answerSource(http.StatusOK, info, attributes, limited, count)
}

// answerSource answers with one data source, wrapped.
func (c *call) answerSource(status int, info siftdb.DataSourceInfo, attributes []string, limited, count bool) error {
	shape, err := c.shape(info, attributes, limited, count)
	if err != nil {
		return err
	}
	return c.json(status, map[string]any{"dataSource": shape})
}

// createSource is POST v1/data-sources.
func createSource(c *call) error {
	text, err := c.optionsText()
	if err == nil {
		text, err = c.withFallbacks(text, "appId", "organizationId")
	}
	if err != nil {
		return err
	}
	body, err := parseObject(text)
	if err != nil {
		return err
	}
	spec, err := c.spec(body)
	if err != nil {
		return err
	}
	ds, err := c.db.Create(c.r.Context(), spec, c.writer("")...)
	if err != nil {
		return err
	}
	info, err := ds.Info(c.r.Context())
	if err != nil {
		return err
	}
	return c.answerSource(http.StatusCreated, info, nil, false, false)
}

// spec reads the body of a creation. Unknown keys, and those that only the server sets, are left
// alone: clients put back whole objects.
func (c *call) spec(body document.Value) (siftdb.DataSourceSpec, error) {
	a := attributesOf(body)
	spec := siftdb.DataSourceSpec{Type: a.text("type"), Public: a.flag("public"), PublicNull: a.null("public"), Bundle: a.flag("bundle"),
		Columns: a.texts("columns"), AppCapabilities: a.json("appCapabilities"), Hooks: a.json("hooks"),
		Definition: a.json("definition"), AccessRules: a.json("accessRules")}
	if name := a.text("name"); name != nil {
		spec.Name = *name
	}
	if encrypted := a.flag("encrypted"); encrypted != nil {
		spec.Encrypted = *encrypted
	}
	app, organization := a.id("appId"), a.id("organizationId")
	if v := body.Field("entries"); v.Kind() != document.Absent && v.Kind() != document.Null && a.err == nil {
		spec.Entries, a.err = flatRows(v)
	}
	if a.err != nil {
		return spec, a.err
	}
	var err error
	if spec.Version, err = versionRef(body.Field("version")); err != nil {
		return spec, err
	}
	in, err := c.scopeOf(app, organization)
	if err != nil {
		return spec, err
	}
	spec.AppID, spec.OrganizationID = in.app, in.organization
	return spec, nil
}

// versionRef reads what a data source is filled from (spec 9.5).
func versionRef(v document.Value) (*siftdb.VersionRef, error) {
	if v.Kind() == document.Absent || v.Kind() == document.Null {
		return nil, nil
	}
	a := attributesOf(v)
	source, id := a.id("dataSourceId"), a.id("id")
	if a.err != nil {
		return nil, a.err
	}
	if v.Kind() != document.Object || source == nil || id == nil {
		return nil, invalid("version must be an object with a dataSourceId and an id.")
	}
	return &siftdb.VersionRef{DataSourceID: *source, ID: *id}, nil
}

// updateSource is PUT v1/data-sources/<ds>.
func updateSource(c *call) error {
	ds, _, err := c.source()
	if err != nil {
		return err
	}
	body, err := c.options()
	if err != nil {
		return err
	}
	a := attributesOf(body)
	change := siftdb.DataSourceUpdate{Name: a.text("name"), Type: a.clearText("type"), Public: a.flag("public"), PublicNull: a.null("public"), AppID: a.clearID("appId"),
		Bundle: a.clearFlag("bundle"), Encrypted: a.flag("encrypted"), Columns: a.texts("columns"), NewColumns: a.texts("newColumns"),
		AppCapabilities: a.json("appCapabilities"), Hooks: a.json("hooks"), Definition: a.json("definition"), AccessRules: a.json("accessRules")}
	if a.err != nil {
		return a.err
	}
	info, err := ds.Update(c.r.Context(), change)
	if err != nil {
		return err
	}
	return c.answerSource(http.StatusOK, info, nil, false, false)
}

// deleteSource is DELETE v1/data-sources/<ds>.
func deleteSource(c *call) error {
	ds, _, err := c.source()
	if err == nil {
		err = ds.Delete(c.r.Context())
	}
	if err != nil {
		return err
	}
	return c.nothing()
}
