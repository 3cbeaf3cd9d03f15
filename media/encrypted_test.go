package media_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"testing"

	"github.com/siftdb/siftdb/internal/errs"
	"github.com/siftdb/siftdb/media"
)

const encPath = "apps/1/0123/name.txt"

// sealed returns the encrypted form of content under a path.
func sealed(t testing.TB, path string, content []byte) []byte {
	t.Helper()
	inner := media.Memory()
	mustPut(t, encrypt(t, inner), path, content)
	b, err := readAll(t, inner, path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// unsealed reads bytes as an encrypted file, from a store that can seek and from
// one that cannot, and returns what each way gives.
func unsealed(t testing.TB, path string, form []byte) (got [2][]byte, errs [2]error) {
	t.Helper()
	inner := media.Memory()
	mustPut(t, inner, path, form)
	for i, s := range []media.Store{inner, streamStore{inner}} {
		got[i], errs[i] = readAll(t, encrypt(t, s), path)
	}
	return got, errs
}

// random returns n random bytes.
func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

// wantRefused checks that bytes are not taken for an encrypted file, and that at
// most a prefix of content came out before the error.
func wantRefused(t testing.TB, what string, form, content []byte) {
	t.Helper()
	got, errors := unsealed(t, encPath, form)
	for i, err := range errors {
		wantCode(t, what, err, errs.Corrupt)
		if !bytes.HasPrefix(content, got[i]) {
			t.Errorf("%s: bytes came out that never went in", what)
		}
	}
}

// TestEncryptedForm has each file look different, and its bytes not show.
func TestEncryptedForm(t *testing.T) {
	content := []byte(strings.Repeat("the same words again and again. ", 10_000))
	a, b := sealed(t, encPath, content), sealed(t, encPath, content)
	if bytes.Equal(a, b) || bytes.Equal(a[media.HeaderSize:], b[media.HeaderSize:]) {
		t.Error("the same bytes have the same form twice")
	}
	if bytes.Contains(a, []byte("words")) {
		t.Error("the bytes show")
	}
	if bytes.Contains(a, testKey[:8]) {
		t.Error("the key shows")
	}
	if want := media.HeaderSize + len(content) + 5*16; len(a) != want {
		t.Errorf("%d bytes, want %d", len(a), want)
	}
}

// TestEncryptedBitFlips changes each byte of a small file, in each of its bits.
func TestEncryptedBitFlips(t *testing.T) {
	content := []byte("Hello, world. It is 17:58.")
	form := sealed(t, encPath, content)
	for i := range form {
		for bit := range 8 {
			changed := bytes.Clone(form)
			changed[i] ^= 1 << bit
			_, errors := unsealed(t, encPath, changed)
			for _, err := range errors {
				if err == nil {
					t.Fatalf("bit %d of byte %d changed: read without an error", bit, i)
				}
			}
		}
	}
}

// TestEncryptedCut cuts files off, and makes them longer.
func TestEncryptedCut(t *testing.T) {
	for _, size := range []int{0, 1, 100, media.ChunkSize - 1, media.ChunkSize, media.ChunkSize + 1, 3 * media.ChunkSize, 3*media.ChunkSize + 100} {
		content := random(size)
		form := sealed(t, encPath, content)
		var cuts []int
		for at := 0; at < len(form); at += 1 + at/7 {
			cuts = append(cuts, at)
		}
		for at := media.HeaderSize; at < len(form); at += media.SealedChunk {
			cuts = append(cuts, at, at-1, at+1, at+16, at+17)
		}
		for _, at := range cuts {
			if at < len(form) {
				wantRefused(t, fmt.Sprintf("%d bytes, form cut at %d", size, at), form[:at], content)
			}
		}
		for _, more := range []int{1, 15, 16, 17, 1000, media.SealedChunk} {
			wantRefused(t, fmt.Sprintf("%d bytes, form longer by %d", size, more), append(bytes.Clone(form), make([]byte, more)...), content)
		}
	}
}

// chunks returns the header of a form and its chunks.
func chunks(form []byte) (header []byte, parts [][]byte) {
	header, rest := form[:media.HeaderSize], form[media.HeaderSize:]
	for len(rest) > 0 {
		n := min(len(rest), media.SealedChunk)
		parts = append(parts, rest[:n])
		rest = rest[n:]
	}
	return header, parts
}

func join(header []byte, parts ...[]byte) []byte {
	return append(bytes.Clone(header), bytes.Join(parts, nil)...)
}

// TestEncryptedChunks leaves chunks out, and has them change places, within a file
// and between files.
func TestEncryptedChunks(t *testing.T) {
	content := random(4 * media.ChunkSize)
	header, c := chunks(sealed(t, encPath, content))
	other := random(4 * media.ChunkSize)
	otherHeader, o := chunks(sealed(t, encPath, other))
	if got, errs := unsealed(t, encPath, join(header, c...)); errs[0] != nil || !bytes.Equal(got[0], content) {
		t.Fatal(errs)
	}
	for what, form := range map[string][]byte{
		"first left out":    join(header, c[1], c[2], c[3]),
		"middle left out":   join(header, c[0], c[2], c[3]),
		"last left out":     join(header, c[0], c[1], c[2]),
		"all but first":     join(header, c[0]),
		"only last":         join(header, c[3]),
		"swapped":           join(header, c[1], c[0], c[2], c[3]),
		"last first":        join(header, c[3], c[1], c[2], c[0]),
		"twice":             join(header, c[0], c[0], c[1], c[2], c[3]),
		"last twice":        join(header, c[0], c[1], c[2], c[3], c[3]),
		"another's chunk":   join(header, c[0], o[1], c[2], c[3]),
		"another's last":    join(header, c[0], c[1], c[2], o[3]),
		"another's header":  join(otherHeader, c...),
		"another's all but": join(header, o...),
	} {
		wantRefused(t, what, form, content)
	}
}

// TestEncryptedMoved puts one file in the place of another.
func TestEncryptedMoved(t *testing.T) {
	for _, size := range []int{0, 1, 200_000} {
		form := sealed(t, "apps/1/0124/name.txt", random(size))
		wantRefused(t, "moved", form, nil)
	}
}

// TestEncryptedWrongKey reads with another key, and makes stores with bad ones.
func TestEncryptedWrongKey(t *testing.T) {
	inner := media.Memory()
	mustPut(t, encrypt(t, inner), encPath, []byte("content"))
	key := bytes.Clone(testKey)
	key[31] ^= 1
	other, err := media.Encrypted(inner, key)
	if err != nil {
		t.Fatal(err)
	}
	_, err = readAll(t, other, encPath)
	wantCode(t, "Get", err, errs.Unavailable)
	if !errors.Is(err, media.ErrWrongKey) || !strings.Contains(err.Error(), "another key") {
		t.Errorf("error %v, want ErrWrongKey", err)
	}
	for _, n := range []int{0, 16, 31, 33, 64} {
		_, err := media.Encrypted(inner, make([]byte, n))
		wantCode(t, "Encrypted", err, errs.InvalidInput)
	}
	// The caller may wipe its key.
	mine := bytes.Clone(testKey)
	s, err := media.Encrypted(inner, mine)
	if err != nil {
		t.Fatal(err)
	}
	clear(mine)
	if got, err := readAll(t, s, encPath); err != nil || string(got) != "content" {
		t.Errorf("%q, %v", got, err)
	}
}

// TestEncryptedForeign has files in the store that were stored without encryption.
func TestEncryptedForeign(t *testing.T) {
	for _, content := range [][]byte{nil, []byte("x"), []byte("SIFTENC1"), random(63), random(64), random(100_000)} {
		wantRefused(t, fmt.Sprintf("%d bytes", len(content)), content, nil)
	}
	inner := media.Memory()
	s := encrypt(t, inner)
	mustPut(t, inner, "plain", []byte("x"))
	mustPut(t, s, "secret", []byte("x"))
	sizes := map[string]int64{}
	for info, err := range s.List(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		sizes[info.Path] = info.Size
	}
	if len(sizes) != 2 || sizes["plain"] != -1 || sizes["secret"] != 1 {
		t.Errorf("List tells the sizes %v", sizes)
	}
}

// TestEncryptedRangeOfCut reads a range of a file that was cut off behind it: its
// size would be wrong, so it does not even open.
func TestEncryptedRangeOfCut(t *testing.T) {
	form := sealed(t, encPath, random(5*media.ChunkSize))
	inner := media.Memory()
	mustPut(t, inner, encPath, form[:media.HeaderSize+3*media.SealedChunk])
	f, err := encrypt(t, inner).Get(t.Context(), encPath)
	wantCode(t, "Get", err, errs.Corrupt)
	if err == nil {
		f.Close()
	}
}

// TestEncryptedSticks has an error stay: nothing comes after a chunk that was bad.
func TestEncryptedSticks(t *testing.T) {
	content := random(4 * media.ChunkSize)
	form := sealed(t, encPath, content)
	form[media.HeaderSize+media.SealedChunk+5] ^= 1
	inner := media.Memory()
	mustPut(t, inner, encPath, form)
	f, err := encrypt(t, inner).Get(t.Context(), encPath)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got, err := io.ReadAll(f)
	wantCode(t, "Read", err, errs.Corrupt)
	if !bytes.Equal(got, content[:media.ChunkSize]) {
		t.Errorf("%d bytes came out, want the first chunk", len(got))
	}
	for range 3 {
		if n, err := f.Read(make([]byte, 100)); n > 0 || err == nil || err == io.EOF {
			t.Errorf("Read after an error: %d bytes, %v", n, err)
		}
	}
}

// rawStore gives any bytes as its one file, of any size that it says.
type rawStore struct {
	form []byte
	size int64
	seek bool
}

func (s rawStore) Put(context.Context, string, io.Reader) (media.Info, error) {
	return media.Info{}, errors.ErrUnsupported
}
func (s rawStore) Delete(context.Context, string) error              { return errors.ErrUnsupported }
func (s rawStore) List(context.Context) iter.Seq2[media.Info, error] { return nil }
func (s rawStore) Get(context.Context, string) (media.File, error) {
	f := rawFile{bytes.NewReader(s.form), s.size}
	if s.seek {
		return f, nil
	}
	return struct{ media.File }{f}, nil
}

type rawFile struct {
	*bytes.Reader
	size int64
}

func (f rawFile) Close() error     { return nil }
func (f rawFile) Info() media.Info { return media.Info{Path: encPath, Size: f.size} }

// TestEncryptedWrongSize has a store tell sizes that are not those of its files.
func TestEncryptedWrongSize(t *testing.T) {
	content := random(2*media.ChunkSize + 10)
	form := sealed(t, encPath, content)
	for _, size := range []int64{-1, 0, 47, 48, 64, 1000, int64(len(form)) - 1, int64(len(form)) + 1, int64(len(form)) + media.SealedChunk, 1 << 40, 1<<63 - 1} {
		for _, seek := range []bool{false, true} {
			_, err := readAll(t, encrypt(t, rawStore{form, size, seek}), encPath)
			wantCode(t, fmt.Sprintf("%d bytes for %d", size, len(form)), err, errs.Corrupt)
		}
	}
}

// FuzzEncrypted reads any bytes as an encrypted file, and parts of a real file put
// together anew: only the file itself may be read without an error.
func FuzzEncrypted(f *testing.F) {
	content := bytes.Repeat([]byte("0123456789abcdef"), 2*media.ChunkSize/16+3)
	form := sealed(f, encPath, content)
	f.Add([]byte{}, 0, 0, int64(0))
	f.Add(form[:200], 0, 0, int64(0))
	f.Add([]byte("SIFTENC1"), 8, len(form), int64(0))
	f.Add([]byte{}, 0, len(form), int64(0))
	f.Add(form[:media.HeaderSize], media.HeaderSize+media.SealedChunk, len(form), int64(0))
	f.Add(form[:100], 100, len(form), int64(1<<40))
	for at := 0; at < len(form); at += len(form) / 200 {
		f.Add(form[:at/100], at/100+at%3, len(form)-at%5, int64(at%2))
		f.Add([]byte{}, 0, at, int64(0))
	}
	f.Fuzz(func(t *testing.T, head []byte, from, to int, more int64) {
		from = min(max(from, 0), len(form))
		to = min(max(to, from), len(form))
		given := append(bytes.Clone(head), form[from:to]...)
		for _, seek := range []bool{false, true} {
			size := int64(len(given)) + more
			got, err := readAll(t, encrypt(t, rawStore{given, size, seek}), encPath)
			if !bytes.HasPrefix(content, got) {
				t.Fatalf("%d bytes came out that never went in", len(got))
			}
			if whole := bytes.Equal(got, content); err == nil && !whole {
				t.Fatalf("%d of %d bytes, and no error", len(got), len(content))
			}
			if bytes.Equal(given, form) && more == 0 && err != nil {
				t.Fatal(err)
			}
		}
	})
}
