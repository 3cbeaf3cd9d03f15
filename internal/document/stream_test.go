package document

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/siftdb/siftdb/internal/errs"
)

// takeApart takes a list apart.
func takeApart(r io.Reader) (list []string, err error) {
	s := NewStream(r)
	err = s.Items(func() error {
		v, err := s.Value()
		if err == nil {
			_, err = Parse(v, unlimited)
		}
		if err == nil {
			list = append(list, string(v))
		}
		return err
	})
	if err == nil {
		err = s.End()
	}
	return list, err
}

func TestStream(t *testing.T) {
	long := `{"a":"` + strings.Repeat(`\"x]}`, 50_000) + `","b":[1,{"c":2}]}`
	for text, want := range map[string][]string{
		`[]`:                              nil,
		" [ 1 ,\n\"a\\\\\" , {} ] ":       {"1", `"a\\"`, "{}"},
		`[{"a":"]}"},[[1],{"b":"\""}]]`:   {`{"a":"]}"}`, `[[1],{"b":"\""}]`},
		`[true,null,-1.10e5]`:             {"true", "null", "-1.10e5"},
		`[` + long + `,` + long + `,"é"]`: {long, long, `"é"`},
	} {
		for name, r := range map[string]io.Reader{"whole": strings.NewReader(text), "bytes": iotest.OneByteReader(strings.NewReader(text)),
			"with the end": iotest.DataErrReader(strings.NewReader(text))} {
			got, err := takeApart(r)
			if err != nil || strings.Join(got, "\x00") != strings.Join(want, "\x00") {
				t.Errorf("%.40s, %s: %.60q, %v", text, name, got, err)
			}
		}
	}
}

// TestStreamFields takes objects apart.
func TestStreamFields(t *testing.T) {
	fields := func(text string) (list []string, err error) {
		s := NewStream(iotest.OneByteReader(strings.NewReader(text)))
		err = s.Fields(func(name string) error {
			v, err := s.Value()
			list = append(list, name+"="+string(v))
			return err
		})
		return list, errors.Join(err, s.End())
	}
	for text, want := range map[string]string{`{}`: "", ` { "a" : 1 , "\u0061": [2,{}] ,"":"x" } `: `a=1 a=[2,{}] ="x"`} {
		if got, err := fields(text); err != nil || strings.Join(got, " ") != want {
			t.Errorf("%s: %q, %v", text, got, err)
		}
	}
	for text, says := range map[string]string{`[]`: "expected an object", `{a:1}`: "a key in quotes", `{"a" 1}`: "a colon", `{"a":1 "b":2}`: "a comma or }", `{"a":1,}`: "a key in quotes",
		`{"a":}`: "expected a value", `{"\ud800":1}`: "surrogate", `{"a":1`: "unexpected EOF", `{"a"`: "unexpected EOF", `{`: "unexpected EOF", `{}{`: "nothing after"} {
		if _, err := fields(text); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestStreamErrors: what is cut is told from what is wrong, and nesting without end is not kept.
func TestStreamErrors(t *testing.T) {
	for _, cut := range []string{``, `[`, `[1`, `[1,`, `["a`, `["a\`, `[{"a":[1}`[:8], `[{"a":"\"}]`} {
		if _, err := takeApart(strings.NewReader(cut)); err != io.ErrUnexpectedEOF {
			t.Errorf("%q: %v", cut, err)
		}
	}
	for text, says := range map[string]string{`[1 2]`: `expected a comma or ] after an array item, not '2', at byte 3 (line 1)`, `{}`: "expected an array", "[1,\n]": "expected a value, not ']', at byte 4 (line 2)",
		`[1]x`: "nothing after", `[{"a":[1}]`: "expected a comma or ]", `[tru]`: "true"} {
		var e *errs.Error
		if _, err := takeApart(strings.NewReader(text)); !errors.As(err, &e) || e.Code != errs.InvalidInput || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v", text, err)
		}
	}
	deep := &counter{r: io.LimitReader(repeat("["), 64<<20)}
	if _, err := takeApart(deep); err == nil || deep.n > 1<<20 {
		t.Errorf("nesting without end: %v after %d bytes", err, deep.n)
	}
	dead := errors.New("the line is dead")
	for _, head := range []string{``, `[`, `[1`, `["a`, `[{`} {
		if _, err := takeApart(io.MultiReader(strings.NewReader(head), iotest.ErrReader(dead))); err != dead {
			t.Errorf("%q: %v", head, err)
		}
	}
}

type repeat string

func (r repeat) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = r[i%len(r)]
	}
	return len(b), nil
}

type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n += int64(n)
	return n, err
}

// FuzzStream: a list taken apart is the list that a parser reads, and is refused where a parser
// refuses it.
func FuzzStream(f *testing.F) {
	for _, seed := range []string{`[]`, `[1,"a\"",{"b":[]}]`, `[1`, `[{]}`, `[1]]`, "\xef\xbb\xbf[]", `["\\",""]`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := takeApart(iotest.HalfReader(bytes.NewReader(text)))
		v, wrong := Parse(text, unlimited)
		if (err == nil) != (wrong == nil && v.Kind() == Array) {
			t.Fatalf("%q: %v, and parsed %v", text, err, wrong)
		}
		if err != nil {
			return
		}
		i := 0
		for item := range v.Items() {
			own, err := Parse([]byte(got[i]), unlimited)
			if err != nil || !bytes.Equal(AppendJSON(nil, own), AppendJSON(nil, item)) || !json.Valid([]byte(got[i])) {
				t.Fatalf("%q: item %d is %q", text, i, got[i])
			}
			i++
		}
		if i != len(got) {
			t.Fatalf("%q: %d items, want %d", text, len(got), i)
		}
	})
}
