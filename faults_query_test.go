package siftdb_test

import (
	"maps"

	"github.com/siftdb/siftdb"
)

// The reads beyond a plain find, for TestEveryCallFails.
func init() {
	joins := siftdb.Query{Joins: []siftdb.Join{
		{Name: "list", DataSourceName: "second", On: siftdb.On{"n": "n"}},
		{Name: "self", DataSourceID: 1, On: siftdb.On{"n": "id"}, Limit: new(1)},
		{Name: "some", DataSourceID: 1, On: siftdb.On{"mod": "mod"}, Required: true, Order: siftdb.Order{siftdb.Desc("n")}, Limit: new(2)},
		{Name: "sum", DataSourceID: 2, On: siftdb.On{"n": "n"}, Sum: "n"},
		{Name: "all", DataSourceID: 2},
	}}
	const pipeline = `[{"$match":{"data.even":true}},{"$lookup":{"from":"second","localField":"data.n","foreignField":"data.n","as":"x"}},{"$unionWith":2},{"$group":{"_id":"$data.mod","n":{"$sum":1}}}]`
	maps.Copy(operations, map[string]func(*siftdb.DB, *siftdb.DataSource, []int64) error{
		"find with joins": func(_ *siftdb.DB, ds *siftdb.DataSource, _ []int64) error {
			_, err := ds.Find(ctx, joins)
			return err
		},
		"each with joins": func(_ *siftdb.DB, ds *siftdb.DataSource, _ []int64) error {
			for _, err := range ds.Each(ctx, joins) {
				if err != nil {
					return err
				}
			}
			return nil
		},
		"aggregate": func(_ *siftdb.DB, ds *siftdb.DataSource, _ []int64) error {
			_, err := ds.Aggregate(ctx, pipeline, siftdb.Query{})
			return err
		},
		"explain": func(_ *siftdb.DB, ds *siftdb.DataSource, _ []int64) error {
			_, err := ds.Explain(ctx, siftdb.Query{Aggregate: pipeline, Joins: joins.Joins})
			return err
		},
		"changes": func(db *siftdb.DB, ds *siftdb.DataSource, _ []int64) error {
			for set, err := range ds.Changes(ctx, 0) {
				if err != nil {
					return err
				}
				if set.Version.ID == 3 {
					break
				}
			}
			for set, err := range db.Changes(ctx, 0) {
				if err != nil {
					return err
				}
				if set.Version.ID == 3 {
					break
				}
			}
			return nil
		},
		"live": func(_ *siftdb.DB, ds *siftdb.DataSource, _ []int64) error {
			for _, err := range ds.Live(ctx, siftdb.Query{Where: `{"even":true}`, Limit: new(3)}) {
				return err
			}
			return nil
		},
	})
}
