package template

import (
	"strings"

	"github.com/siftdb/siftdb/internal/errs"
)

// tokenKind is what a part of a template is.
type tokenKind uint8

const (
	textToken    tokenKind = iota
	valueToken             // {{x}}
	rawToken               // {{{x}}} or {{&x}}
	openToken              // {{#if x}}
	elseToken              // {{else}}, {{else if x}}, {{^}}
	closeToken             // {{/if}}
	commentToken           // {{! x }}
)

// token is one part: text, or a tag and what stands in it.
type token struct {
	kind        tokenKind
	text        string // the text, or the content of the tag without its sigil
	at          int    // where it begins in the source
	left, right bool   // the tag takes white space off its sides
}

// alone reports whether a tag that has a line for itself takes the line with it.
func (t *token) alone() bool { return t.kind >= openToken }

// scan cuts a template into tokens.
func scan(source string) ([]token, error) {
	var tokens []token
	var literal strings.Builder
	start := 0
	flush := func() {
		if literal.Len() > 0 {
			tokens = append(tokens, token{kind: textToken, text: literal.String(), at: start})
			literal.Reset()
		}
	}
	for at := 0; at < len(source); {
		i := strings.Index(source[at:], "{{")
		if i < 0 {
			literal.WriteString(source[at:])
			break
		}
		before := source[at : at+i]
		at += i
		switch {
		case strings.HasSuffix(before, `\\`): // a backslash, then a tag
			literal.WriteString(before[:len(before)-1])
		case strings.HasSuffix(before, `\`): // braces that are no tag
			literal.WriteString(before[:len(before)-1] + "{{")
			at += 2
			continue
		default:
			literal.WriteString(before)
		}
		flush()
		tag, end, err := scanTag(source, at)
		if err != nil {
			return nil, err
		}
		tokens = append(tokens, tag)
		at, start = end, end
	}
	flush()
	return tokens, nil
}

// scanTag reads the tag that begins at a place, and gives the place after it.
func scanTag(source string, at int) (tag token, end int, err error) {
	tag.at = at
	rest := source[at+2:]
	if strings.HasPrefix(rest, "{{") {
		return tag, 0, fail(source, at, "raw blocks are not supported")
	}
	if inner, ok := strings.CutPrefix(rest, "{"); ok {
		return scanBody(source, tag, inner, rawToken, "}}}")
	}
	rest, tag.left = strings.CutPrefix(rest, "~")
	if inner, ok := strings.CutPrefix(rest, "{"); ok {
		return scanBody(source, tag, inner, rawToken, "}}}")
	}
	if strings.HasPrefix(rest, "!") {
		return scanComment(source, tag, rest)
	}
	if rest == "" {
		return tag, 0, fail(source, at, "the tag has no end")
	}
	switch rest[0] {
	case '&':
		return scanBody(source, tag, rest[1:], rawToken, "}}")
	case '#':
		return scanBody(source, tag, rest[1:], openToken, "}}")
	case '/':
		return scanBody(source, tag, rest[1:], closeToken, "}}")
	case '^':
		tag, end, err = scanBody(source, tag, rest[1:], elseToken, "}}")
		if err == nil && tag.text != "" {
			err = fail(source, at, "{{^%s}} is not supported; {{#unless}} is", excerpt(tag.text))
		}
		return tag, end, err
	}
	tag, end, err = scanBody(source, tag, rest, valueToken, "}}")
	if word, more, _ := strings.Cut(tag.text, " "); err == nil && word == "else" {
		tag.kind, tag.text = elseToken, strings.TrimSpace(more)
	}
	return tag, end, err
}

// scanBody reads a tag up to its end. Brackets may hold anything.
func scanBody(source string, tag token, inner string, kind tokenKind, closing string) (token, int, error) {
	tag.kind = kind
	start := len(source) - len(inner)
	for i := 0; i < len(inner); {
		if inner[i] == '[' {
			n := bracketed(inner[i:])
			if n == 0 {
				break
			}
			i += n
			continue
		}
		if !strings.HasPrefix(inner[i:], closing[:1]) {
			i++
			continue
		}
		body, end := inner[:i], start+i+len(closing)
		if closing == "}}}" && strings.HasPrefix(inner[i:], "}~}}") {
			tag.right = true
			end++
		} else if !strings.HasPrefix(inner[i:], closing) {
			break
		} else if closing == "}}" && strings.HasSuffix(body, "~") {
			tag.right = true
			body = body[:len(body)-1]
		}
		tag.text = strings.Join(fieldsOf(body), " ")
		return tag, end, nil
	}
	return tag, 0, fail(source, tag.at, "the tag has no end")
}

// scanComment reads a comment; between dashes it may hold braces.
func scanComment(source string, tag token, rest string) (token, int, error) {
	tag.kind = commentToken
	end := strings.Index(rest, "}}") + len("}}")
	if strings.HasPrefix(rest, "!--") {
		end = dashesEnd(rest)
	}
	if end < len("}}") {
		return tag, 0, fail(source, tag.at, "the comment has no end")
	}
	tag.right = strings.HasSuffix(rest[:end-len("}}")], "~")
	return tag, len(source) - len(rest) + end, nil
}

// dashesEnd returns the length of a comment between dashes, 0 when it has no end. It goes over
// the text once.
func dashesEnd(s string) int {
	for i := len("!--"); i < len(s); i++ {
		n := strings.Index(s[i:], "--")
		if n < 0 {
			return 0
		}
		i += n
		for _, end := range []string{"--}}", "--~}}"} {
			if strings.HasPrefix(s[i:], end) {
				return i + len(end)
			}
		}
	}
	return 0
}

// bracketed returns the length of a segment in brackets, 0 when it has no end.
func bracketed(s string) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case ']':
			return i + 1
		}
	}
	return 0
}

// fieldsOf splits the content of a tag at white space outside brackets.
func fieldsOf(body string) []string {
	var fields []string
	start := -1
	for i := 0; i < len(body); {
		n := 1
		switch c := body[i]; {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v':
			if start >= 0 {
				fields = append(fields, body[start:i])
				start = -1
			}
			i++
			continue
		case c == '[':
			n = max(n, bracketed(body[i:]))
		}
		if start < 0 {
			start = i
		}
		i += n
	}
	if start >= 0 {
		fields = append(fields, body[start:])
	}
	return fields
}

// excerpt is a part of a template for a message.
func excerpt(s string) string {
	const most = 40
	if len(s) > most {
		s = s[:most] + "..."
	}
	return strings.ToValidUTF8(s, "?")
}

// fail returns an error with the line and column of a place.
func fail(source string, at int, format string, args ...any) error {
	before := source[:at]
	line := 1 + strings.Count(before, "\n")
	column := 1 + len([]rune(before[strings.LastIndexByte(before, '\n')+1:]))
	e := errs.New(errs.InvalidInput, format, args...)
	return errs.Wrap(errs.InvalidInput, e, "the template does not parse at line %d, column %d", line, column)
}
