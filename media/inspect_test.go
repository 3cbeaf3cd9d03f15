package media_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/siftdb/siftdb/media"
)

// picture returns an image in a format.
func picture(t testing.TB, format string, width, height int) []byte {
	t.Helper()
	palette := color.Palette{color.Black, color.White}
	img := image.NewPaletted(image.Rect(0, 0, width, height), palette)
	var b bytes.Buffer
	var err error
	switch format {
	case "png":
		err = png.Encode(&b, img)
	case "jpeg":
		err = jpeg.Encode(&b, img, nil)
	case "gif":
		err = gif.Encode(&b, img, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// inspect has an Inspector read a file, in reads of different sizes, and checks
// that it finds the same each time.
func inspect(t testing.TB, content []byte, contentType string) media.Facts {
	t.Helper()
	var facts [3]media.Facts
	for i, r := range []io.Reader{
		bytes.NewReader(content),
		iotest.OneByteReader(bytes.NewReader(content)),
		iotest.DataErrReader(bytes.NewReader(content)),
	} {
		in := media.NewInspector(r, contentType)
		got, err := io.ReadAll(in)
		if err != nil || !bytes.Equal(got, content) {
			t.Fatalf("%d bytes of %d come through, error %v", len(got), len(content), err)
		}
		facts[i] = in.Facts()
		if again := in.Facts(); again != facts[i] {
			t.Errorf("first %+v, then %+v", facts[i], again)
		}
	}
	if facts[1] != facts[0] || facts[2] != facts[0] {
		t.Errorf("the facts depend on the reads: %+v", facts)
	}
	sum := md5.Sum(content)
	if facts[0].Size != int64(len(content)) || facts[0].Checksum != hex.EncodeToString(sum[:]) {
		t.Errorf("%d bytes: %+v", len(content), facts[0])
	}
	return facts[0]
}

func TestInspector(t *testing.T) {
	for _, test := range []struct {
		name    string
		content []byte
		claimed string
		want    string
	}{
		{"empty", nil, "", "text/plain; charset=utf-8"},
		{"text", []byte("hello"), "", "text/plain; charset=utf-8"},
		{"html", []byte("<html>"), "", "text/html; charset=utf-8"},
		{"long", bytes.Repeat([]byte("hello "), 100_000), "", "text/plain; charset=utf-8"},
		{"binary after 512 bytes", append(bytes.Repeat([]byte("a"), 512), 0, 1, 2), "", "text/plain; charset=utf-8"},
		{"binary before", append(bytes.Repeat([]byte("a"), 511), 0, 1, 2), "", "application/octet-stream"},
		{"pdf", []byte("%PDF-1.7\n"), "", "application/pdf"},
		{"claimed", []byte("hello"), "text/csv", "text/csv"},
		{"claimed with parameters", []byte("hello"), "Text/CSV; Charset=UTF-8", "text/csv; charset=UTF-8"},
		{"claimed unknown", []byte("hello"), "application/octet-stream", "application/octet-stream"},
		{"claimed none", []byte("hello"), " ", "text/plain; charset=utf-8"},
		{"claimed half", []byte("hello"), "text", "text/plain; charset=utf-8"},
		{"claimed all", []byte("hello"), "*/*", "text/plain; charset=utf-8"},
		{"claimed lines", []byte("hello"), "text/csv\r\nX-Evil: 1", "text/plain; charset=utf-8"},
		{"claimed lines in a parameter", []byte("hello"), "text/csv; a=\"b\r\nc\"", "text/plain; charset=utf-8"},
		{"claimed long", []byte("hello"), "text/" + strings.Repeat("x", 300), "text/plain; charset=utf-8"},
		{"claimed two", []byte("hello"), "text/csv, text/html", "text/plain; charset=utf-8"},
	} {
		facts := inspect(t, test.content, test.claimed)
		if facts.ContentType != test.want || facts.Width != 0 || facts.Height != 0 {
			t.Errorf("%s: %+v, want the type %s", test.name, facts, test.want)
		}
		if strings.ContainsAny(facts.ContentType, "\r\n") {
			t.Errorf("%s: a type of two lines", test.name)
		}
	}
}

func TestInspectorImages(t *testing.T) {
	for _, format := range []string{"png", "jpeg", "gif"} {
		for _, size := range [][2]int{{1, 1}, {500, 375}, {3000, 2000}} {
			content := picture(t, format, size[0], size[1])
			for _, claimed := range []string{"", "text/plain"} {
				facts := inspect(t, content, claimed)
				if facts.Width != size[0] || facts.Height != size[1] || claimed == "" && facts.ContentType != "image/"+format {
					t.Errorf("%s of %v: %+v", format, size, facts)
				}
			}
			for _, cut := range []int{1, 8, 16, 20, 30} {
				inspect(t, content[:min(cut, len(content))], "") // no panic
			}
		}
	}
}

// segments returns a JPEG with comments of n bytes before its dimensions.
func segments(t testing.TB, n int) []byte {
	content := picture(t, "jpeg", 500, 375)
	head, tail := content[:2:2], content[2:]
	for n > 0 {
		m := min(n, 60_000)
		head = append(head, 0xff, 0xfe)
		head = binary.BigEndian.AppendUint16(head, uint16(m+2))
		head = append(head, bytes.Repeat([]byte{'c'}, m)...)
		n -= m
	}
	return append(head, tail...)
}

// TestInspectorComments has a JPEG's dimensions come late, and too late.
func TestInspectorComments(t *testing.T) {
	if facts := inspect(t, segments(t, 200_000), ""); facts.Width != 500 || facts.Height != 375 {
		t.Errorf("after 200 kB: %+v", facts)
	}
	if facts := inspect(t, segments(t, 1_000_000), ""); facts.Width != 0 || facts.Height != 0 || facts.ContentType != "image/jpeg" {
		t.Errorf("after 1 MB: %+v", facts)
	}
}

// pngOf returns the start of a PNG that says it has dimensions.
func pngOf(width, height uint32) []byte {
	b := []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0d")
	head := binary.BigEndian.AppendUint32([]byte("IHDR"), width)
	head = binary.BigEndian.AppendUint32(head, height)
	head = append(head, 8, 2, 0, 0, 0)
	b = append(b, head...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(head))
}

// TestInspectorHostile has images say what no image has.
func TestInspectorHostile(t *testing.T) {
	if facts := inspect(t, pngOf(65535, 65535), ""); facts.Width != 65535 {
		t.Errorf("%+v", facts)
	}
	for _, size := range [][2]uint32{{0, 0}, {0, 5}, {5, 0}, {65536, 1}, {1, 65536}, {1<<31 - 1, 1}, {1<<31 - 1, 1<<31 - 1}, {1<<32 - 1, 1<<32 - 1}} {
		content := append(pngOf(size[0], size[1]), make([]byte, 1000)...)
		if facts := inspect(t, content, ""); facts.Width != 0 || facts.Height != 0 {
			t.Errorf("%v: %+v", size, facts)
		}
	}
}

// TestInspectorMemory has a large image pass, with little of it kept and nothing
// of it decoded.
func TestInspectorMemory(t *testing.T) {
	head := pngOf(65535, 65535)
	in := media.NewInspector(io.MultiReader(bytes.NewReader(head), io.LimitReader(zeros{}, 32<<20)), "")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := io.Copy(io.Discard, struct{ io.Reader }{in}); err != nil {
		t.Fatal(err)
	}
	facts := in.Facts()
	runtime.ReadMemStats(&after)
	if facts.Size != int64(len(head))+32<<20 || facts.Width != 65535 {
		t.Errorf("%+v", facts)
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > 2<<20 {
		t.Errorf("%d bytes of memory were taken", n)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// TestInspectorError has the error of a reader come through, with the facts of
// what came before.
func TestInspectorError(t *testing.T) {
	broken := errors.New("broken")
	in := media.NewInspector(io.MultiReader(strings.NewReader("hello"), iotest.ErrReader(broken)), "")
	if _, err := io.ReadAll(in); err != broken {
		t.Errorf("error %v", err)
	}
	if facts := in.Facts(); facts.Size != 5 {
		t.Errorf("%+v", facts)
	}
}

func FuzzInspector(f *testing.F) {
	for _, format := range []string{"png", "jpeg", "gif"} {
		f.Add(picture(f, format, 20, 10), "")
	}
	f.Add(segments(f, 1000), "image/png")
	f.Add(pngOf(1<<31-1, 1), "text/plain; a=b")
	f.Fuzz(func(t *testing.T, content []byte, claimed string) {
		facts := inspect(t, content, claimed)
		if facts.ContentType == "" || strings.ContainsAny(facts.ContentType, "\r\n\x00") {
			t.Errorf("type %q", facts.ContentType)
		}
		if (facts.Width == 0) != (facts.Height == 0) || facts.Width < 0 || facts.Width > 65535 || facts.Height < 0 || facts.Height > 65535 {
			t.Errorf("dimensions %d, %d", facts.Width, facts.Height)
		}
	})
}

// An upload passes through an Inspector into a store.
func Example() {
	ctx := context.Background()
	store := media.Memory()
	app := int64(789)
	path := media.NewPath(&app, nil, `C:\photos\foo.jpg`)

	in := media.NewInspector(strings.NewReader("not a photo"), "")
	info, err := store.Put(ctx, path, in)
	if err != nil {
		fmt.Println(err)
		return
	}
	facts := in.Facts()
	fmt.Println(path[:9], path[len(path)-7:])
	fmt.Println(info.Size, facts.Checksum, facts.ContentType)

	f, err := store.Get(ctx, path)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer f.Close()
	content, err := io.ReadAll(f)
	fmt.Println(string(content), err)
	// Output:
	// apps/789/ foo.jpg
	// 11 7f3afb6984535530452dc4d4512e3e1a text/plain; charset=utf-8
	// not a photo <nil>
}
