package document

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
)

// TestLayout holds the bytes that files are made of. A change here breaks every file that was
// ever written: add forms, never change one.
func TestLayout(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"null", "00"}, {"false", "01"}, {"true", "02"},
		{"0", "03"}, {"1", "0301"}, {"-1", "03ff"}, {"127", "037f"}, {"128", "038000"}, {"-128", "0380"}, {"-129", "037fff"},
		{"256", "030001"}, {"65536", "03000001"}, {"2147483648", "030000008000"}, {"-2147483648", "0300000080"},
		{"9007199254740992", "0300000000000020"}, {"-9007199254740992", "03000000000000e0"},
		{"9007199254740994", "04010000000000" + "4043"}, // beyond 2^53: a double whose shortest text this is
		{"9007199254740993", "050000000000004043" + hexOf("9007199254740993")},
		{"1.5", "04000000000000f83f"}, {"-0.25", "04000000000000d0bf"}, {"1e-7", "0448afbc9af2d77a3e"},
		{"1e+21", "0450efe2d6e41a4b44"},
		{"1.10", "059a9999999999f13f" + hexOf("1.10")}, {"-0", "050000000000000080" + hexOf("-0")},
		{"1.0", "05000000000000f03f" + hexOf("1.0")}, {"1e21", "0550efe2d6e41a4b44" + hexOf("1e21")},
		{"1e400", "05000000000000f07f" + hexOf("1e400")}, {"-1e400", "05000000000000f0ff" + hexOf("-1e400")},
		{"1e-400", "050000000000000000" + hexOf("1e-400")},
		{`""`, "06"}, {`"aé"`, "0661c3a9"},
		{"[]", "07" + "00" + "00"}, {"{}", "08" + "00" + "00"},
		{`[1,"ab",null]`, "07" + "0301" + "066162" + "00" + "020506" + "03" + "00"},
		{`{"a":1,"bc":[true]}`, "08" + "01610301" + "026263" + "0702010100" + "040c" + "02" + "00"},
		{`{"b":0,"a":1,"b":2}`, "08" + "01620302" + "01610301" + "0408" + "02" + "00"},
	} {
		v := mustParse(t, c.text)
		if got := hex.EncodeToString(v.Raw()); got != c.want {
			t.Errorf("%s is stored as\n%s, want\n%s", c.text, got, c.want)
		}
		if got := string(AppendJSON(nil, v)); c.text != got && !strings.Contains(c.text, `"b":0`) {
			t.Errorf("%s comes out as %s", c.text, got)
		}
	}
}

func TestLayoutOfDocuments(t *testing.T) {
	e := NewEncoder(NewNames([]string{"x", "y"}), Limits{})
	full := make([]string, MaxNames)
	for i := range full {
		full[i] = fmt.Sprint("n", i)
	}
	for _, c := range []struct {
		names      *Names
		text, want string
	}{
		{nil, "{}", "09" + "00" + "00"},
		{nil, `{"a":1}`, "09" + "0301" + "02" + "0000" + "01" + "00"},
		{NewNames([]string{"x", "y"}), `{"y":"v","new":{"in":null},"x":true}`,
			"09" + "0676" + "08" + "02696e00" + "04" + "01" + "00" + "02" + "020a0b" + "010002000000" + "03" + "00"},
		{NewNames(full), `{"n4095":1,"more":2}`,
			"09" + "0301" + "046d6f72650302" + "0209" + "ff0fffff" + "02" + "00"},
	} {
		e.Reset(c.names)
		doc, err := e.AppendJSON(nil, []byte(c.text))
		if err != nil {
			t.Fatal(err)
		}
		if got := hex.EncodeToString(doc); got != c.want {
			t.Errorf("%s is stored as\n%s, want\n%s", c.text, got, c.want)
		}
	}
}

// TestFooterWidths looks at the three widths and the places where one gives way to the next.
func TestFooterWidths(t *testing.T) {
	for _, c := range []struct {
		items string // bytes of items
		size  int
		code  byte
	}{
		{"one string", 255, 0}, {"one string", 256, 1}, {"one string", 65535, 1}, {"one string", 65536, 2},
		{"nulls", 255, 0}, {"nulls", 256, 1}, {"nulls", 65535, 1}, {"nulls", 65536, 2},
	} {
		text := `["` + strings.Repeat("x", c.size-1) + `"]`
		count := 1
		if c.items == "nulls" {
			text = "[" + strings.Repeat("null,", c.size-1) + "null]"
			count = c.size
		}
		raw := mustParse(t, text).Raw()
		width := 1 << c.code
		if raw[len(raw)-1] != c.code || len(raw) != 1+c.size+width*count+width+1 {
			t.Errorf("%s of %d: width code %d, %d bytes", c.items, c.size, raw[len(raw)-1], len(raw))
		}
		if n := Stored(raw, nil).Len(); n != count {
			t.Errorf("%s of %d: %d items", c.items, c.size, n)
		}
		if got := string(AppendJSON(nil, Stored(raw, nil))); got != text {
			t.Errorf("%s of %d: another text comes out", c.items, c.size)
		}
		doc, err := NewEncoder(nil, Limits{}).AppendJSON(nil, []byte(`{"a":`+text+`}`))
		if err != nil {
			t.Fatal(err)
		}
		if got := Stored(doc, nil).Column(0); !bytes.Equal(got.Raw(), raw) {
			t.Errorf("%s of %d: the column differs", c.items, c.size)
		}
	}
}

func TestIntegerBytes(t *testing.T) {
	for shift := range 54 {
		for _, d := range []int64{-1, 0, 1} {
			for _, sign := range []int64{-1, 1} {
				v := sign * (int64(1)<<shift + d)
				if v < -maxInt || v > maxInt {
					continue
				}
				raw := appendInt(nil, v)
				if got := readInt(raw[1:]); got != v {
					t.Errorf("%d comes back as %d", v, got)
				}
				var full [8]byte
				binary.LittleEndian.PutUint64(full[:], uint64(v))
				if n := len(raw) - 1; n > 0 && !bytes.HasPrefix(full[:], raw[1:]) {
					t.Errorf("%d is stored as %x", v, raw)
				}
				if n := len(raw) - 1; n > 1 && readInt(raw[1:n]) == v {
					t.Errorf("%d is stored in %d bytes, which are not the fewest", v, n)
				}
			}
		}
	}
}

func hexOf(s string) string { return hex.EncodeToString([]byte(s)) }

// TestColumns finds each column of documents of every small size, under narrow and wide
// footers, and none that is missing.
func TestColumns(t *testing.T) {
	for count := range 80 {
		for _, long := range []int{0, 300} {
			e := NewEncoder(nil, Limits{})
			m := pairs{}
			for i := range count {
				m = append(m, fmt.Sprint("f", i*37%80), i+1) // numbers in another order than names
			}
			if long > 0 {
				m = append(m, "long", strings.Repeat("x", long))
			}
			doc, err := e.AppendGo(nil, m)
			if err != nil {
				t.Fatal(err)
			}
			doc = Remap(nil, doc, 0, []uint16{4095, 0, 1, 255, 256, 0x0101, 0x7FFF, 0x8000, 0xFFFE, 3, 2, 0x0201})
			found := 0
			for i, col := range columnsOf(doc) {
				if got := Stored(doc, nil).Column(col); i < count && got.Float() != float64(i+1) {
					t.Fatalf("%d fields: column %d is %s, want %d", count, col, got, i+1)
				}
				found++
			}
			for _, col := range []uint16{0x7FFE, 0x8001, 0xFF00, 0xFFFF, 1000} {
				if got := Stored(doc, nil).Column(col); got.Kind() != Absent {
					t.Fatalf("%d fields: missing column %d is %s", count, col, got)
				}
			}
			if want := len(m) / 2; found != want {
				t.Fatalf("%d columns, want %d", found, want)
			}
		}
	}
}

func columnsOf(doc []byte) (cols []uint16) {
	for col := range Columns(doc) {
		cols = append(cols, col)
	}
	return cols
}
