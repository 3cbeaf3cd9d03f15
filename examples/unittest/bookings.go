// Package unittest shows how a service that keeps its data in siftdb is written
// and tested. Bookings is the service: rooms that are booked by the night, never
// twice. Its test builds one database in memory and gives every test a fork of it.
package unittest

import (
	"context"
	"errors"
	"fmt"

	"github.com/siftdb/siftdb"
)

// The errors of Bookings, for errors.Is.
var (
	// ErrUnknownRoom is returned for a room that does not exist.
	ErrUnknownRoom = errors.New("no such room")
	// ErrTaken is returned when another booking has one of the nights.
	ErrTaken = errors.New("the room is taken")
	// ErrBadStay is returned for a stay of no nights.
	ErrBadStay = errors.New("a stay needs at least one night")
)

// Stay is a span of nights: the first, and the day of departure. Days are written
// as 2026-03-31.
type Stay struct{ From, To string }

// Booking is one stay in one room.
type Booking struct {
	Room  string
	Guest string
	From  string
	To    string
}

// Bookings keeps rooms and their bookings in two data sources.
type Bookings struct {
	db       *siftdb.DB
	rooms    *siftdb.DataSource
	bookings *siftdb.DataSource
}

// NewBookings opens the tables of the service, or makes them.
func NewBookings(ctx context.Context, db *siftdb.DB) (*Bookings, error) {
	b := &Bookings{db: db}
	for name, table := range map[string]**siftdb.DataSource{"Rooms": &b.rooms, "Bookings": &b.bookings} {
		ds, err := db.DataSourceByName(ctx, name, siftdb.Scope{})
		if errors.Is(err, siftdb.ErrNotFound) {
			ds, err = db.Create(ctx, siftdb.DataSourceSpec{Name: name})
		}
		if err != nil {
			return nil, err
		}
		*table = ds
	}
	return b, nil
}

// AddRoom adds a room with a number of beds.
func (b *Bookings) AddRoom(ctx context.Context, name string, beds int) error {
	_, err := b.rooms.Insert(ctx, siftdb.M{"Name": name, "Beds": beds, "Bookings": 0})
	return err
}

// Book books a room and returns the id of the booking.
//
// Two guests may ask at once. So the commit also counts the booking on the room,
// on condition that the room is as it was before the nights were checked: the
// second one's commit fails whole, and it checks again.
func (b *Bookings) Book(ctx context.Context, booking Booking) (int64, error) {
	stay := Stay{booking.From, booking.To}
	if stay.From >= stay.To {
		return 0, ErrBadStay
	}
	for {
		id, err := b.tryBook(ctx, booking, stay)
		if !errors.Is(err, siftdb.ErrConflict) {
			return id, err
		}
	}
}

func (b *Bookings) tryBook(ctx context.Context, booking Booking, stay Stay) (int64, error) {
	room, err := b.rooms.FindOne(ctx, siftdb.Query{Where: siftdb.M{"Name": booking.Room}})
	if err != nil {
		return 0, err
	}
	if room == nil {
		return 0, fmt.Errorf("%w: %s", ErrUnknownRoom, booking.Room)
	}
	n, err := b.bookings.Count(ctx, siftdb.Query{Where: siftdb.M{"Room": booking.Room, "$and": overlaps(stay)}})
	if err != nil {
		return 0, err
	}
	if n > 0 {
		return 0, fmt.Errorf("%w: %s from %s to %s", ErrTaken, booking.Room, stay.From, stay.To)
	}
	var counted struct{ Bookings int }
	if err := room.Decode(&counted); err != nil {
		return 0, err
	}
	results, err := b.db.CommitAll(ctx, []siftdb.SourceCommit{
		{DataSource: b.bookings, Commit: siftdb.Commit{
			Append:  new(true),
			Entries: []siftdb.CommitEntry{{Data: booking}},
		}},
		{DataSource: b.rooms, Commit: siftdb.Commit{
			Append: new(true),
			Extend: true,
			Entries: []siftdb.CommitEntry{{
				ID:        room.ID,
				Data:      siftdb.M{"Bookings": counted.Bookings + 1},
				IfChanged: room.Changed,
			}},
		}},
	})
	if err != nil {
		return 0, err
	}
	return results[0].Inserted[0], nil
}

// overlaps holds for bookings that share a night with a stay.
func overlaps(stay Stay) []any {
	return []any{
		siftdb.M{"From": siftdb.M{"$lt": stay.To}},
		siftdb.M{"To": siftdb.M{"$gt": stay.From}},
	}
}

// Cancel removes a booking. The table's versions still tell of it.
func (b *Bookings) Cancel(ctx context.Context, id int64) error {
	return b.bookings.Remove(ctx, id)
}

// Free returns the names of the rooms with at least so many beds that are free
// for a whole stay, the smallest first.
func (b *Bookings) Free(ctx context.Context, stay Stay, beds int) ([]string, error) {
	taken := []any{}
	for booking, err := range b.bookings.Each(ctx, siftdb.Query{Where: siftdb.M{"$and": overlaps(stay)}}) {
		if err != nil {
			return nil, err
		}
		taken = append(taken, booking.Get("Room"))
	}
	rooms, err := b.rooms.Find(ctx, siftdb.Query{
		Where: siftdb.M{"Beds": siftdb.M{"$gte": beds}, "Name": siftdb.M{"$nin": taken}},
		Order: siftdb.Order{siftdb.Asc("Beds"), siftdb.Asc("Name")},
	})
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(rooms))
	for _, room := range rooms {
		name, _ := room.Get("Name").(string)
		names = append(names, name)
	}
	return names, nil
}
