package rest

import (
	"net/http"
	"slices"
	"strconv"

	"github.com/siftdb/siftdb"
)

// listTrash is GET v1/data-sources/deleted: the data sources in the trash, newest first.
func listTrash(c *call) error {
	app, err := c.query.id("appId")
	if err != nil {
		return err
	}
	list, err := c.db.DataSources(c.r.Context(), siftdb.ListOptions{AppID: app, Trashed: true})
	if err != nil {
		return err
	}
	slices.SortStableFunc(list, func(a, b siftdb.DataSourceInfo) int { return b.DeletedAt.Compare(*a.DeletedAt) })
	return c.json(http.StatusOK, map[string]any{"dataSources": list})
}

// trashID returns the id in the path.
func (c *call) trashID() (int64, error) {
	id, err := strconv.ParseInt(c.params["id"], 10, 64)
	if err != nil || id == 0 {
		return 0, notInTrash(c.params["id"])
	}
	return id, nil
}

func notInTrash(id string) error {
	return notFound("data source " + clip(id, 30) + " is not in the trash")
}

// restoreSource is POST v1/data-sources/<id>/restore.
func restoreSource(c *call) error {
	id, err := c.trashID()
	if err != nil {
		return err
	}
	ds, err := c.db.RestoreDataSource(c.r.Context(), id)
	if err != nil {
		return err
	}
	info, err := ds.Info(c.r.Context())
	if err != nil {
		return err
	}
	return c.answerSource(http.StatusOK, info, nil, false, false)
}

// purgeSource is DELETE v1/data-sources/deleted/<id>. What is not in the trash stays.
func purgeSource(c *call) error {
	id, err := c.trashID()
	if err == nil {
		err = c.db.PurgeTrashed(c.r.Context(), id)
	}
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, struct{}{})
}
