package unittest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/siftdb/siftdb"
)

// fixture is the database that every test starts from. It is built once, and
// never written to afterwards.
var fixture *siftdb.DB

func TestMain(m *testing.M) {
	if err := build(); err != nil {
		fmt.Fprintln(os.Stderr, "the fixture:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// build fills the fixture: three rooms, and one booking from the 10th to the 13th.
func build() (err error) {
	if fixture, err = siftdb.OpenMemory(nil); err != nil {
		return err
	}
	ctx := context.Background()
	b, err := NewBookings(ctx, fixture)
	if err != nil {
		return err
	}
	for name, beds := range map[string]int{"Attic": 1, "Garden": 2, "Hall": 4} {
		if err := b.AddRoom(ctx, name, beds); err != nil {
			return err
		}
	}
	_, err = b.Book(ctx, Booking{Room: "Garden", Guest: "Ada", From: "2026-03-10", To: "2026-03-13"})
	return err
}

// fresh returns the service on a fork of the fixture: a copy of its own, made in
// constant time, so that tests may write what they like and run in parallel.
func fresh(t *testing.T) *Bookings {
	t.Helper()
	t.Parallel()
	db, err := fixture.Fork()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		report, err := db.Check(context.Background())
		if err == nil {
			err = report.Err()
		}
		if err := errors.Join(err, db.Close()); err != nil {
			t.Error(err)
		}
	})
	b, err := NewBookings(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestBook(t *testing.T) {
	tests := []struct {
		name, room, from, to string
		want                 error
	}{
		{"other nights", "Garden", "2026-03-20", "2026-03-22", nil},
		{"other room", "Attic", "2026-03-10", "2026-03-13", nil},
		{"arrives on the day of departure", "Garden", "2026-03-13", "2026-03-14", nil},
		{"leaves on the day of arrival", "Garden", "2026-03-08", "2026-03-10", nil},
		{"same nights", "Garden", "2026-03-10", "2026-03-13", ErrTaken},
		{"last night", "Garden", "2026-03-12", "2026-03-15", ErrTaken},
		{"around it", "Garden", "2026-03-01", "2026-03-31", ErrTaken},
		{"no nights", "Garden", "2026-03-20", "2026-03-20", ErrBadStay},
		{"no room", "Cellar", "2026-03-20", "2026-03-22", ErrUnknownRoom},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := fresh(t)
			id, err := b.Book(t.Context(), Booking{Room: test.room, Guest: "Bob", From: test.from, To: test.to})
			if !errors.Is(err, test.want) {
				t.Fatalf("error = %v, want %v", err, test.want)
			}
			if test.want != nil {
				return
			}
			stored, err := b.bookings.FindByID(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			if stored.Get("Guest") != "Bob" {
				t.Errorf("stored %s", stored.JSON())
			}
		})
	}
}

// TestBookAtOnce lets many guests ask for the same nights: one gets them.
func TestBookAtOnce(t *testing.T) {
	b := fresh(t)
	var won atomic.Int32
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			guest := fmt.Sprintf("Guest %d", i)
			_, err := b.Book(t.Context(), Booking{Room: "Hall", Guest: guest, From: "2026-06-01", To: "2026-06-05"})
			switch {
			case err == nil:
				won.Add(1)
			case !errors.Is(err, ErrTaken):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Errorf("%d guests got the room", won.Load())
	}
}

func TestCancel(t *testing.T) {
	b := fresh(t)
	booking := Booking{Room: "Attic", Guest: "Bob", From: "2026-03-10", To: "2026-03-12"}
	id, err := b.Book(t.Context(), booking)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Cancel(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if err := b.Cancel(t.Context(), id); !errors.Is(err, siftdb.ErrNotFound) {
		t.Errorf("cancelled twice: %v", err)
	}
	if _, err := b.Book(t.Context(), booking); err != nil {
		t.Errorf("the nights are not free again: %v", err)
	}
}

func TestFree(t *testing.T) {
	b := fresh(t)
	for _, test := range []struct {
		stay Stay
		beds int
		want []string
	}{
		{Stay{"2026-03-11", "2026-03-12"}, 1, []string{"Attic", "Hall"}},
		{Stay{"2026-03-13", "2026-03-14"}, 1, []string{"Attic", "Garden", "Hall"}},
		{Stay{"2026-03-13", "2026-03-14"}, 2, []string{"Garden", "Hall"}},
		{Stay{"2026-03-13", "2026-03-14"}, 9, []string{}},
	} {
		got, err := b.Free(t.Context(), test.stay, test.beds)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("Free(%v, %d) = %v, want %v", test.stay, test.beds, got, test.want)
		}
	}
}
