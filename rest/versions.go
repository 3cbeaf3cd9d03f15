package rest

import (
	"net/http"
	"strconv"

	"github.com/siftdb/siftdb"
)

// listVersions is GET <ds>/versions.
func listVersions(c *call) error {
	ds, _, err := c.source()
	if err != nil {
		return err
	}
	limit, err := c.query.count("limit")
	if err != nil {
		return err
	}
	page := siftdb.Page{Limit: limit}
	offset, err := c.query.count("offset")
	if err != nil {
		return err
	}
	if offset != nil {
		page.Offset = *offset
	}
	list, err := ds.Versions(c.r.Context(), page)
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, map[string]any{"versions": list})
}

// version returns the id of the version in the path.
func (c *call) version() (int64, error) {
	id, err := strconv.ParseInt(c.params["version"], 10, 64)
	if err != nil || id == 0 {
		return 0, notFound("version " + clip(c.params["version"], 30) + " does not exist")
	}
	return id, nil
}

// getVersion is GET <ds>/versions/<id>/data. A where counts by POST only (spec 9.3).
func getVersion(c *call) error {
	ds, _, err := c.source()
	if err != nil {
		return err
	}
	id, err := c.version()
	if err != nil {
		return err
	}
	text, err := c.queryOptions("limit")
	if err != nil {
		return err
	}
	return c.versionData(ds.At(id), text)
}

// postVersion is POST <ds>/versions/<id>/data.
func postVersion(c *call) error {
	ds, _, err := c.source()
	if err != nil {
		return err
	}
	id, err := c.version()
	if err != nil {
		return err
	}
	text, err := c.optionsText()
	if err == nil {
		text, err = c.withFallbacks(text, "limit")
	}
	if err != nil {
		return err
	}
	return c.versionData(ds.At(id), text)
}

// versionData streams the entries of an old state. Of the options only where and limit count.
func (c *call) versionData(at *siftdb.DataSource, options []byte) error {
	q, err := siftdb.ParseQuery(options)
	if err != nil {
		return err
	}
	return c.entries(at.Each(c.r.Context(), siftdb.Query{Where: q.Where, Limit: q.Limit}))
}

// restoreVersion is POST <ds>/versions/<id>/restore. The answer is the data source as it is then,
// unless returnEntries is false.
func restoreVersion(c *call) error {
	ds, _, err := c.source()
	if err != nil {
		return err
	}
	id, err := c.version()
	if err != nil {
		return err
	}
	text, err := c.optionsText()
	if err == nil {
		text, err = c.withFallbacks(text, "returnEntries")
	}
	if err != nil {
		return err
	}
	body, err := parseObject(text)
	if err != nil {
		return err
	}
	a := attributesOf(body)
	wanted := a.flag("returnEntries")
	if a.err != nil {
		return a.err
	}
	if _, err := ds.Restore(c.r.Context(), id, c.writer("")...); err != nil {
		return err
	}
	if wanted != nil && !*wanted {
		return c.json(http.StatusOK, struct{}{})
	}
	return c.entries(ds.Each(c.r.Context(), siftdb.Query{}))
}
