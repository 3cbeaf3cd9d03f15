package query

import (
	"math"
	"regexp"
	"regexp/syntax"
	"strings"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/errs"
)

// errCost is what Record.Err is set to; it is never changed.
var errCost = errs.New(errs.TooLarge, "a regular expression would take too long on this document")

// expression is a compiled regular expression with a bound on its work.
type expression struct {
	*regexp.Regexp
	size  int // of its program
	limit int // of size times bytes; 0 is none
}

// on reports whether the expression is found in a text.
func (e *expression) on(r *Record, text string) verdict {
	if e.limit > 0 && e.size*len(text) > e.limit {
		if r != nil {
			r.Err = errCost
		}
		return failed
	}
	return verdictOf(e.MatchString(text))
}

// expression compiles a pattern with JavaScript's flags.
func (c *compiler) expression(pattern, flags string) (*expression, error) {
	if most := c.limits.RegexpBytes; most > 0 && len(pattern) > most {
		return nil, c.fail("the regular expression has %d bytes; %d are allowed", len(pattern), most)
	}
	mode := ""
	for i, f := range flags {
		if !strings.ContainsRune("imsguyd", f) || strings.ContainsRune(flags[:i], f) {
			return nil, c.fail("%q are no flags of a regular expression", flags)
		}
		if strings.ContainsRune("ims", f) {
			mode += string(f)
		}
	}
	text, construct := translate(pattern, strings.Contains(flags, "s"))
	if construct != "" {
		return nil, c.fail("the regular expression holds %s, which is not supported", construct)
	}
	if mode != "" {
		text = "(?" + mode + ":" + text + ")"
	}
	parsed, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return nil, c.fail("the regular expression is malformed: %s", reason(err))
	}
	e := &expression{limit: c.limits.RegexpCost, size: programSize(parsed)}
	if e.limit > 0 && e.size > max(e.limit/1000, 1) {
		return nil, c.fail("the regular expression is too large")
	}
	if e.Regexp, err = regexp.Compile(text); err != nil {
		return nil, c.fail("the regular expression is malformed: %s", reason(err))
	}
	return e, nil
}

func reason(err error) string {
	if e, ok := err.(*syntax.Error); ok {
		return e.Code.String()
	}
	return err.Error()
}

// programSize estimates the instructions of a program without building it.
func programSize(re *syntax.Regexp) int {
	total := 1
	for _, sub := range re.Sub {
		total += programSize(sub)
	}
	switch re.Op {
	case syntax.OpLiteral:
		total += len(re.Rune)
	case syntax.OpCapture:
		total += 2
	case syntax.OpRepeat:
		total *= max(re.Max, re.Min, 1)
	}
	return min(total, math.MaxInt32)
}

// translate rewrites what JavaScript spells otherwise than RE2. It returns the name of a
// construct that RE2 cannot express, if there is one.
func translate(pattern string, dotAll bool) (text, construct string) {
	var b strings.Builder
	inClass := false
	for i := 0; i < len(pattern); i++ {
		c, rest := pattern[i], pattern[i+1:]
		switch {
		case c == '\\' && rest != "":
			n, text, construct := translateEscape(rest, inClass)
			if construct != "" {
				return "", construct
			}
			b.WriteString(text)
			i += n
		case inClass:
			switch {
			case c == ']':
				inClass = false
				b.WriteByte(c)
			case c == '[':
				b.WriteString(`\[`)
			default:
				b.WriteByte(c)
			}
		case c == '[' && strings.HasPrefix(rest, "^]"):
			b.WriteString(`(?s:.)`)
			i += 2
		case c == '[' && strings.HasPrefix(rest, "]"):
			b.WriteString(`[^\x00-\x{10FFFF}]`)
			i++
		case c == '[':
			inClass = true
			b.WriteByte(c)
			if strings.HasPrefix(rest, "^") {
				b.WriteByte('^')
				i++
			}
		case c == '.' && !dotAll:
			b.WriteString(`[^\n\r\x{2028}\x{2029}]`)
		case c == '(':
			if name := lookAround(rest); name != "" {
				return "", name
			}
			b.WriteByte(c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), ""
}

func lookAround(rest string) string {
	switch {
	case strings.HasPrefix(rest, "?="), strings.HasPrefix(rest, "?!"):
		return "a look-ahead (" + rest[:2]
	case strings.HasPrefix(rest, "?<="), strings.HasPrefix(rest, "?<!"):
		return "a look-behind (" + rest[:3]
	}
	return ""
}

const spaces = `\t-\r \x{A0}\x{FEFF}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000}`

// translateEscape translates what follows a backslash, and returns how many bytes that are.
func translateEscape(rest string, inClass bool) (n int, text, construct string) {
	switch c := rest[0]; c {
	case '1', '2', '3', '4', '5', '6', '7', '8', '9':
		if !inClass {
			return 0, "", `a back-reference \` + rest[:1]
		}
	case 'k':
		if strings.HasPrefix(rest, "k<") {
			return 0, "", `a back-reference \k`
		}
		return 1, "k", ""
	case 'u':
		if isHex(rest[1:], 4) {
			return 5, `\x{` + rest[1:5] + `}`, ""
		}
		if end := strings.IndexByte(rest, '}'); strings.HasPrefix(rest, "u{") && end > 2 && isHex(rest[2:], end-2) {
			return end + 1, `\x` + rest[1:end+1], ""
		}
		return 1, "u", ""
	case 'x':
		if isHex(rest[1:], 2) || strings.HasPrefix(rest, "x{") {
			return 1, `\x`, ""
		}
		return 1, "x", ""
	case 'c':
		if len(rest) > 1 && rest[1]|0x20 >= 'a' && rest[1]|0x20 <= 'z' {
			const hex = "0123456789ABCDEF"
			v := rest[1] & 31
			return 2, `\x` + hex[v>>4:v>>4+1] + hex[v&15:v&15+1], ""
		}
		return 0, `\\`, ""
	case 'b':
		if inClass {
			return 1, `\x08`, ""
		}
	case 's':
		if inClass {
			return 1, spaces, ""
		}
		return 1, `[` + spaces + `]`, ""
	case 'S':
		if !inClass {
			return 1, `[^` + spaces + `]`, ""
		}
		// Everything but the spaces, written out for use inside a class.
		return 1, `\x00-\x08\x0E-\x1F!-\x{9F}\x{A1}-\x{167F}\x{1681}-\x{1FFF}\x{200B}-\x{2027}` +
			`\x{202A}-\x{202E}\x{2030}-\x{205E}\x{2060}-\x{2FFF}\x{3001}-\x{FEFE}\x{FF00}-\x{10FFFF}`, ""
	}
	return 1, `\` + rest[:1], ""
}

func isHex(s string, n int) bool {
	if n == 0 || len(s) < n {
		return false
	}
	for i := range n {
		if c := s[i]; !isDigit(c) && (c|0x20 < 'a' || c|0x20 > 'f') {
			return false
		}
	}
	return true
}

// regex is $regex.
type regex struct{ expr *expression }

func compileRegex(c *compiler, o operand) (node, error) {
	flags := ""
	if options := o.parent.Field("$options"); options.Kind() != document.Absent {
		flags = string(appendText(nil, options))
	}
	e, err := c.expression(string(appendText(nil, o.arg)), flags)
	if err != nil {
		return nil, err
	}
	return &regex{e}, nil
}

func (n *regex) test(r *Record, v document.Value, _ place) verdict {
	switch kindOf(v) {
	case document.String:
		return n.expr.on(r, v.Str())
	case document.Array:
		for i := range v.Len() {
			if e := v.At(i); e.Kind() == document.String {
				if a := n.expr.on(r, e.Str()); a != no {
					return a
				}
			}
		}
	}
	return no
}
