package aggregate

import (
	"regexp"
	"regexp/syntax"
	"strings"

	"github.com/siftdb/siftdb/internal/errs"
)

// pattern is a compiled regular expression with a bound on its work.
type pattern struct {
	*regexp.Regexp
	size int
}

// compilePattern compiles a regular expression with MongoDB's options; why says what is wrong.
func compilePattern(l Limits, text, options string) (p *pattern, why string) {
	if l.RegexpBytes > 0 && len(text) > l.RegexpBytes {
		return nil, "the regular expression is too long"
	}
	mode := ""
	for _, f := range options {
		switch f {
		case 'i', 'm', 's':
			if !strings.ContainsRune(mode, f) {
				mode += string(f)
			}
		case 'x':
			text = withoutSpace(text)
		case 'u', 'g':
		default:
			return nil, "there is no option " + string(f) + " of regular expressions"
		}
	}
	for _, look := range []string{"(?=", "(?!", "(?<=", "(?<!"} {
		if strings.Contains(text, look) {
			return nil, "the regular expression holds a look-around " + look + ", which is not supported"
		}
	}
	if mode != "" {
		text = "(?" + mode + ":" + text + ")"
	}
	parsed, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return nil, "the regular expression is malformed: " + strings.TrimPrefix(err.Error(), "error parsing regexp: ")
	}
	prog, err := syntax.Compile(parsed.Simplify())
	if err != nil {
		return nil, "the regular expression is malformed"
	}
	re, err := regexp.Compile(text)
	if err != nil {
		return nil, "the regular expression is malformed"
	}
	return &pattern{re, len(prog.Inst)}, ""
}

// withoutSpace drops the white space and comments of an extended pattern.
func withoutSpace(s string) string {
	var b strings.Builder
	inClass := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && i+1 < len(s):
			b.WriteString(s[i : i+2])
			i++
		case inClass:
			inClass = c != ']'
			b.WriteByte(c)
		case c == '[':
			inClass = true
			b.WriteByte(c)
		case c == '#':
			for i+1 < len(s) && s[i+1] != '\n' {
				i++
			}
		case strings.IndexByte(" \t\n\r\f\v", c) < 0:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// affordable reports whether the pattern may be run on a text; otherwise e has the error.
func (p *pattern) affordable(e *env, path, s string) bool {
	limit := e.run.limits.RegexpCost
	if limit > 0 && p.size*len(s) > limit {
		if e.err == nil {
			e.err = errs.At(errs.TooLarge, path, "a regular expression would take too long on this document")
		}
		return false
	}
	return e.step(1 + len(s)>>8)
}
