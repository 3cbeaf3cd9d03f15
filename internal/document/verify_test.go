package document

import (
	"errors"
	"slices"
	"testing"

	"github.com/siftdb/siftdb/internal/errs"
)

func TestVerify(t *testing.T) {
	e, doc, v := benchDoc(t)
	if err := Verify(doc, e.Names()); err != nil {
		t.Error(err)
	}
	for _, row := range jsonRows {
		if x, err := Parse([]byte(row.in), Limits{}); err == nil {
			if err := Verify(x.Raw(), nil); err != nil {
				t.Errorf("%.60q: %v", row.in, err)
			}
		}
	}
	for what, raw := range map[string][]byte{
		"no bytes":             {},
		"an unknown tag":       {0x0A},
		"a short double":       {tagFloat, 1, 2},
		"a long integer":       {tagInt, 1, 2, 3, 4, 5, 6, 7, 8, 9},
		"a long double":        {tagFloat, 1, 2, 3, 4, 5, 6, 7, 8, 9},
		"digits that are none": {tagNumber, 0, 0, 0, 0, 0, 0, 0, 0, 'x'},
		"no digits":            {tagNumber, 0, 0, 0, 0, 0, 0, 0, 0},
		"not UTF-8":            {tagString, 0xFF},
		"no footer":            {tagArray},
		"a false count":        {tagArray, 9, 0},
		"a false offset":       {tagArray, tagNull, 2, 1, 0},
		"offsets backwards":    {tagArray, tagNull, tagNull, 2, 1, 2, 0},
		"an unknown column":    {tagDoc, tagNull, 1, 99, 0, 1, 0},
		"a nested one":         {tagArray, tagArray, 9, 0, 3, 1, 0},
	} {
		var x *errs.Error
		if err := Verify(raw, e.Names()); !errors.As(err, &x) || x.Code != errs.Corrupt {
			t.Errorf("%s: %v", what, err)
		}
	}
	cols := slices.Collect(Columns(doc))
	if len(cols) != v.Len() || cols[0] != 0 || cols[11] != 11 {
		t.Errorf("columns are %d", cols)
	}
	for range Columns(doc) {
		break
	}
	if other := slices.Collect(Columns(mustParse(t, "{}").Raw())); other != nil {
		t.Errorf("an object has the columns %d", other)
	}
}
