package siftdb_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/siftdb/siftdb"
)

// bulkWriter replaces and appends generations in several transactions until it is killed,
// and prints each once it is written.
func bulkWriter(path string) error {
	db, err := siftdb.Open(ctx, path, nil)
	if err != nil {
		return err
	}
	siftdb.StageAt(db, 1, 4000, 1)
	ds, err := db.DataSource(ctx, 1)
	if err != nil {
		return err
	}
	log, err := db.DataSource(ctx, 2)
	if err != nil {
		return err
	}
	for g := int(time.Now().UnixMilli()); ; g++ {
		if _, err := ds.ReplaceWithSeq(ctx, generation(g)); err != nil {
			return err
		}
		if _, err := log.AppendSeq(ctx, generation(g)); err != nil {
			return err
		}
		fmt.Println(g)
	}
}

// TestKillBulk kills a process in the middle of bulk writes, again and again: each is there
// whole or not at all, what was told to be there is there, and nothing is left behind.
func TestKillBulk(t *testing.T) {
	if path := os.Getenv(crashFile); path != "" {
		if err := bulkWriter(path); err != nil {
			fmt.Println("error", err)
		}
		return
	}
	rounds := kills(25)
	path := filepath.Join(t.TempDir(), "crash.db")
	db := must[*siftdb.DB](t)(siftdb.Open(ctx, path, nil))
	table(t, db, "current", `{"g":0}`)
	table(t, db, "log")
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 0))
	acked := map[string]bool{}
	broken := 0
	for round := range rounds {
		for _, g := range killOnce(t, "TestKillBulk", crashFile, path, time.Duration(rng.IntN(40))) {
			acked[g] = true
		}
		readOnly := must[*siftdb.DB](t)(siftdb.Open(ctx, path, &siftdb.Options{ReadOnly: true}))
		soundBulk(t, readOnly, acked)
		if report := must[*siftdb.Report](t)(readOnly.Check(ctx)); report.Err() != nil {
			t.Fatalf("round %d, before the sweep: %v", round, report.Err())
		}
		if siftdb.Staged(readOnly) {
			broken++
		}
		if err := readOnly.Close(); err != nil {
			t.Fatal(err)
		}
		db := must[*siftdb.DB](t)(siftdb.Open(ctx, path, nil))
		soundBulk(t, db, acked)
		if siftdb.Staged(db) {
			t.Errorf("round %d: it was not swept", round)
		}
		if report := must[*siftdb.Report](t)(db.Check(ctx)); report.Err() != nil {
			t.Fatalf("round %d: %v", round, report.Err())
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if broken == 0 && rounds > 10 {
		t.Error("no bulk write was interrupted")
	}
	t.Logf("%d of %d kills were in the middle of a bulk write; %d pairs were acknowledged", broken, rounds, len(acked))
}

// soundBulk makes sure that the current generation is a whole one, and that the log holds
// whole generations, those that were acknowledged among them.
func soundBulk(t *testing.T, db *siftdb.DB, acked map[string]bool) {
	t.Helper()
	if err := ofOne(must[*siftdb.DataSource](t)(db.DataSource(ctx, 1))); err != nil {
		t.Fatal(err)
	}
	log := must[*siftdb.DataSource](t)(db.DataSource(ctx, 2))
	seen := map[string]int{}
	for e, err := range log.Each(ctx, siftdb.Query{Attributes: []string{"g"}}) {
		if err != nil {
			t.Fatal(err)
		}
		g, _ := e.Get("g").(float64)
		seen[strconv.Itoa(int(g))]++
	}
	for g, n := range seen {
		if n != generationSize {
			t.Fatalf("generation %s has %d entries", g, n)
		}
	}
	for g := range acked {
		if seen[g] == 0 {
			t.Fatalf("generation %s was acknowledged and is lost", g)
		}
	}
}
