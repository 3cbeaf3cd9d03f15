package siftdb

import (
	"context"

	"github.com/siftdb/siftdb/internal/errs"
)

// Cursor shows the matches of a query page by page (spec 2.5). Next, Prev and
// SetPage only move it; Update fetches. A cursor belongs to one goroutine.
type Cursor struct {
	ds    *DataSource
	query Query
	limit int
	page  int
	total int64
	items []*Entry
}

// Cursor makes a cursor from a query and fetches its first page. The query's limit
// is the page size, 10 when there is none; the page that holds the match at its
// offset is the first one fetched.
func (ds *DataSource) Cursor(ctx context.Context, q Query) (*Cursor, error) {
	c := &Cursor{ds: ds, query: q, limit: 10}
	if q.Limit != nil {
		c.limit = *q.Limit
	}
	if c.limit < 1 {
		return nil, errs.At(errs.InvalidQuery, "limit", "a page needs a limit of at least 1, not %d", c.limit)
	}
	if q.Offset < 0 {
		return nil, errs.At(errs.InvalidQuery, "offset", "offset %d is negative", q.Offset)
	}
	c.page = q.Offset / c.limit
	if err := c.Update(ctx, false); err != nil {
		return nil, err
	}
	return c, nil
}

// Entries returns what the cursor holds: the page fetched last, and the ones
// before it that were kept.
func (c *Cursor) Entries() []*Entry { return c.items }

// Limit returns the page size.
func (c *Cursor) Limit() int { return c.limit }

// SetLimit changes the page size from the next Update on. The cursor stays on the
// page that holds its first entry. A limit below 1 is taken as 1.
func (c *Cursor) SetLimit(limit int) {
	offset := c.Offset()
	c.limit = max(limit, 1)
	c.page = offset / c.limit
}

// Offset returns how many matches stand before the current page.
func (c *Cursor) Offset() int { return c.page * c.limit }

// SetOffset moves to the page that holds the match at an offset.
func (c *Cursor) SetOffset(offset int) { c.SetPage(offset / max(c.limit, 1)) }

// CurrentPage returns the number of the current page, 0 for the first.
func (c *Cursor) CurrentPage() int { return c.page }

// Total returns the number of all matches, as of the last Update.
func (c *Cursor) Total() int64 { return c.total }

// Query returns the query that the cursor pages through.
func (c *Cursor) Query() Query { return c.query }

// SetQuery changes the query and goes back to the first page. The page size stays;
// the query's limit and offset do not matter.
func (c *Cursor) SetQuery(q Query) { c.query, c.page = q, 0 }

// IsFirstPage reports whether this is page 0, or there is nothing to show.
func (c *Cursor) IsFirstPage() bool { return c.page == 0 || c.total == 0 }

// IsLastPage reports whether no match follows this page. An empty result is both
// the first and the last page.
func (c *Cursor) IsLastPage() bool { return int64(c.Offset()) >= c.total-int64(c.limit) }

// Next moves to the next page; on the last one it stays.
func (c *Cursor) Next() {
	if !c.IsLastPage() {
		c.page++
	}
}

// Prev moves to the page before; on the first one it stays.
func (c *Cursor) Prev() { c.page = max(c.page-1, 0) }

// SetPage moves to a page, clamped to the first and the last.
func (c *Cursor) SetPage(page int) {
	last := int(max(c.total-1, 0) / int64(max(c.limit, 1)))
	c.page = max(min(page, last), 0)
}

// Update fetches the current page, with the total from the same snapshot, and
// replaces what the cursor holds, or appends to it when keepExisting is true. On
// an error the cursor stays as it was.
func (c *Cursor) Update(ctx context.Context, keepExisting bool) error {
	q := c.query
	if q.Type == "delete" || q.CountOnly {
		return errs.At(errs.InvalidQuery, "type", "a cursor pages through a select")
	}
	if q.Aggregate != nil {
		return errs.At(errs.InvalidQuery, "aggregate", "a cursor pages through entries, and a query with aggregate returns documents")
	}
	q.Limit, q.Offset, q.IncludePagination = new(c.limit), c.Offset(), true
	result, err := c.ds.Query(ctx, q)
	if err != nil {
		return err
	}
	c.total = result.Pagination.Total
	if keepExisting {
		c.items = append(c.items, result.Entries...)
	} else {
		c.items = result.Entries
	}
	return nil
}
