package document

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"runtime"
	"strings"
	"testing"
)

// TestGoDataHeld: Go data with many texts and numbers, around the length
// from which nothing is shared, are what encoding/json makes, stay so when the stored bytes go,
// and when some of them are changed, kept alone or made into others.
func TestGoDataHeld(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for size := 1; size < 12_000; size += 1 + size/2 {
		text := randomObject(r, size)
		var want map[string]any
		if err := json.Unmarshal([]byte(text), &want); err != nil {
			t.Fatal(err)
		}
		v, err := Parse([]byte(text), Limits{})
		if err != nil {
			t.Fatal(err)
		}
		first, second := v.Go().(map[string]any), v.Go().(map[string]any)
		within := Stored(bytes.Clone(v.Raw()), nil).GoWithin() // of bytes that nobody else has
		clear(v.Raw())
		kept := map[string]any{}
		for name, v := range first {
			kept[name] = v
			first[name] = fmt.Sprint("other ", name)
			delete(first, name)
		}
		first = nil
		runtime.GC()
		for range 3 { // what is made now would take the place of what was freed
			_ = v.Go()
			_ = randomObject(r, 100)
		}
		if !reflect.DeepEqual(kept, want) || !reflect.DeepEqual(second, want) || !reflect.DeepEqual(within, any(want)) {
			t.Fatalf("%.2000s:\n got %.2000v\nand %.2000v\nand %.2000v", text, kept, second, within)
		}
	}
}

// TestGoTextsShareMemory: the texts of a small object are put into interfaces several at a time,
// however they lie in lists and objects, and are still each their own.
func TestGoTextsShareMemory(t *testing.T) {
	for n := range 40 {
		var b strings.Builder
		b.WriteString(`{"list":[`)
		for i := range n {
			if i > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, `"text %d",{"a":"in %d","b":%d,"c":["%d",null,%d.5]}`, i, i, i, i, i)
		}
		b.WriteString(`],"last":"one"}`)
		v, err := Parse([]byte(b.String()), Limits{})
		if err != nil {
			t.Fatal(err)
		}
		var want any
		if err := json.Unmarshal([]byte(b.String()), &want); err != nil {
			t.Fatal(err)
		}
		if got := v.Go(); !reflect.DeepEqual(got, want) {
			t.Fatalf("%d texts: got %v, want %v", n, got, want)
		}
	}
	v, err := Parse([]byte(`{"a":"1","b":"2","c":"3","d":"4","e":"5","f":"6","g":"7","h":"8"}`), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() { _ = v.Go() }); n > 5 && !raceEnabled {
		t.Errorf("eight texts take %v allocations", n)
	}
}

// randomObject makes JSON text of about so many bytes.
func randomObject(r *rand.Rand, size int) string {
	var b strings.Builder
	b.WriteString(`{"":"" `)
	for i := 0; b.Len() < size; i++ {
		fmt.Fprintf(&b, `,"k%d":`, i)
		switch r.IntN(5) {
		case 0:
			fmt.Fprintf(&b, "%d", r.IntN(5000)-1000)
		case 1:
			fmt.Fprintf(&b, "%d.%d5", r.IntN(100), r.IntN(100))
		case 2:
			fmt.Fprintf(&b, `[%d.5,"in a list",null,true,{"x":"y%d"}]`, i, i)
		case 3:
			fmt.Fprintf(&b, `{"text %d":"%s","n":70000}`, i, strings.Repeat("z", r.IntN(30)))
		default:
			fmt.Fprintf(&b, `"%s"`, strings.Repeat("ä", r.IntN(20)))
		}
	}
	return b.String() + "}"
}

// TestGoOfDamage: damaged bytes, however short, are made into something without a panic.
func TestGoOfDamage(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	v, err := Parse([]byte(randomObject(r, 400)), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	for range 5000 {
		raw := append([]byte(nil), v.Raw()...)
		for range 1 + r.IntN(4) {
			raw[r.IntN(len(raw))] = byte(r.IntN(256))
		}
		made := Stored(raw[:1+r.IntN(len(raw))], nil).Go()
		if text, err := json.Marshal(made); err != nil && !strings.Contains(err.Error(), "unsupported value") && !strings.Contains(err.Error(), "invalid number") {
			t.Fatalf("%s: %v", text, err)
		}
	}
}

// BenchmarkGo makes Go data of an object of twelve fields.
func BenchmarkGo(b *testing.B) {
	v, err := Parse([]byte(`{"Name":"Ada B. Lovelace","Email":"ada.lovelace.17@example.com","Age":36,"Salary":81234.56,"Status":"Active","Tags":["one","two"],`+
		`"Address":{"City":"Oslo","Zip":"01234","Geo":{"Lat":59.123456,"Lng":-10.654321}},"StartDate":"2020-03-04","Notes":"lorem ipsum dolor sit amet consectetur","Score":"77"}`), Limits{})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if len(v.Go().(map[string]any)) != 10 {
			b.Fatal("a field is missing")
		}
	}
}
