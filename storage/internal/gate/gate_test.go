package gate

import (
	"sync"
	"testing"
	"time"
)

func TestShutWaitsForThoseInside(t *testing.T) {
	g := New()
	for range 2 {
		if !g.Enter() {
			t.Fatal("an open gate refused")
		}
	}
	done := make(chan bool)
	go func() { done <- g.Shut() }()
	for g.Enter() {
		g.Leave()
	}
	g.Leave()
	select {
	case <-done:
		t.Fatal("Shut returned while a call was inside")
	case <-time.After(10 * time.Millisecond):
	}
	g.Leave()
	if !<-done {
		t.Fatal("the first Shut says it was not the first")
	}
	if g.Shut() {
		t.Fatal("the second Shut says it was the first")
	}
	if g.Enter() {
		t.Fatal("a shut gate let a call in")
	}
}

func TestConcurrentShut(t *testing.T) {
	for range 200 {
		g := New()
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for g.Enter() {
					g.Leave()
				}
			})
		}
		firsts := make(chan bool, 2)
		for range 2 {
			wg.Go(func() { firsts <- g.Shut() })
		}
		wg.Wait()
		if a, b := <-firsts, <-firsts; a == b {
			t.Fatal("want exactly one first Shut")
		}
	}
}
