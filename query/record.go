package query

import (
	"encoding/binary"
	"math"
	"time"

	"github.com/siftdb/siftdb/internal/document"
)

// Record is an entry as a where on a data source sees it. Fill it anew for every entry; one
// Record serves a whole scan, and only one goroutine.
type Record struct {
	// Data is the entry's columns.
	Data document.Value
	// ID and DataSourceID are the entry fields of those names.
	ID, DataSourceID int64
	// Order is the entry field `order`, a number.
	Order document.Value
	// CreatedAt and UpdatedAt are milliseconds since 1970. They read as text in the form
	// 2006-01-02T15:04:05.000Z.
	CreatedAt, UpdatedAt int64
	// Err is set by MatchRecord when a document could not be tested, because a regular
	// expression would have cost more than the limits allow. It stays until it is cleared.
	Err error

	// Room for the entry fields in stored form, so that reading them allocates nothing.
	id, dataSourceID         [9]byte
	created, updated         [1 + len(timeForm)]byte
	wideCreated, wideUpdated []byte
}

const timeForm = "2006-01-02T15:04:05.000Z"

// Tags of the stored form that are needed here.
const (
	tagInt      = 0x03
	tagFloat    = 0x04
	tagString   = 0x06
	tagArray    = 0x07
	tagDocument = 0x09
)

var null = document.Of(nil)

// field returns an entry field.
func (r *Record) field(kind targetKind) document.Value {
	switch kind {
	case toID:
		return storedInt(&r.id, r.ID)
	case toDataSourceID:
		return storedInt(&r.dataSourceID, r.DataSourceID)
	case toOrder:
		return r.Order
	case toCreatedAt:
		return storedTime(r.created[:], &r.wideCreated, r.CreatedAt)
	case toUpdatedAt:
		return storedTime(r.updated[:], &r.wideUpdated, r.UpdatedAt)
	case toDeletedAt:
		return null
	}
	return document.Value{}
}

// storedInt writes an integer in stored form into buf.
func storedInt(buf *[9]byte, v int64) document.Value {
	if v > 1<<53 || v < -1<<53 {
		buf[0] = tagFloat
		binary.LittleEndian.PutUint64(buf[1:], math.Float64bits(float64(v)))
		return document.Stored(buf[:], nil)
	}
	buf[0] = tagInt
	n := 1
	for v != 0 {
		low := byte(v)
		buf[n] = low
		n++
		v >>= 8
		switch { // the top bit of the last byte is the sign
		case v == 0 && low >= 0x80:
			buf[n] = 0
			n++
		case v == -1 && low >= 0x80:
			v = 0
		}
	}
	return document.Stored(buf[:n], nil)
}

// storedTime writes a time as stored text into buf; wide is for years beyond four digits.
func storedTime(buf []byte, wide *[]byte, ms int64) document.Value {
	days := floorDiv(ms, msPerDay)
	rest := ms - days*msPerDay
	year, month, day := civil(days)
	if year < 0 || year > 9999 {
		*wide = append((*wide)[:0], tagString)
		*wide = time.UnixMilli(ms).UTC().AppendFormat(*wide, timeForm)
		return document.Stored(*wide, nil)
	}
	buf[0] = tagString
	b := buf[1:]
	put := func(at, width, v int) {
		for i := at + width - 1; i >= at; i-- {
			b[i] = byte('0' + v%10)
			v /= 10
		}
	}
	copy(b, "0000-00-00T00:00:00.000Z")
	put(0, 4, year)
	put(5, 2, month)
	put(8, 2, day)
	put(11, 2, int(rest/3_600_000))
	put(14, 2, int(rest/60_000%60))
	put(17, 2, int(rest/1000%60))
	put(20, 3, int(rest%1000))
	return document.Stored(buf, nil)
}
