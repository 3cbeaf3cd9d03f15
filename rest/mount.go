package rest

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"
)

// prefix is what stands in front of /v1/ in paths: its parts, decoded.
type prefix []string

// parsePrefix reads Options.Prefix, in which what is percent-encoded counts as what it stands for.
func parsePrefix(text string) (prefix, error) {
	if text == "" {
		return nil, nil
	}
	rest, ok := strings.CutPrefix(text, "/")
	if !ok || strings.HasSuffix(text, "/") {
		return nil, errors.New("rest: a prefix begins with a slash and does not end with one")
	}
	var p prefix
	for part := range strings.SplitSeq(rest, "/") {
		plain, err := url.PathUnescape(part)
		switch {
		case err != nil || !utf8.ValidString(plain):
			return nil, errors.New("rest: a prefix is UTF-8, in which a percent sign is written as %25")
		case plain == "" || plain == "." || plain == "..":
			return nil, errors.New("rest: no part of a prefix is empty, nor one or two dots")
		}
		p = append(p, plain)
	}
	return p, nil
}

// cut takes the prefix off an escaped path, however its parts are encoded there.
func (p prefix) cut(escaped string) (rest string, ok bool) {
	for _, part := range p {
		if escaped, ok = strings.CutPrefix(escaped, "/"); !ok {
			return "", false
		}
		own := escaped
		if end := strings.IndexByte(escaped, '/'); end >= 0 {
			own = escaped[:end]
		}
		if plain, err := url.PathUnescape(own); err != nil || plain != part {
			return "", false
		}
		escaped = escaped[len(own):]
	}
	return escaped, true
}

// String is the prefix as a part of a URL.
func (p prefix) String() string {
	var b strings.Builder
	for _, part := range p {
		b.WriteString("/" + url.PathEscape(part))
	}
	return b.String()
}

// mountOf returns what was taken off the path of a request before it came here, as by
// http.StripPrefix: the line of the request still has it. It is empty where it cannot be known, or
// is nothing that the URLs of this server may begin with.
func mountOf(r *http.Request) string {
	asked, err := url.ParseRequestURI(r.RequestURI)
	if err != nil {
		return ""
	}
	mount, ok := strings.CutSuffix(asked.EscapedPath(), r.URL.EscapedPath())
	if p, err := parsePrefix(mount); !ok || err != nil || p.String() == "" {
		return ""
	}
	return mount
}

// servedAt returns the description for a handler that is mounted somewhere.
func servedAt(openapi []byte, own prefix, mount string) []byte {
	return bytes.Replace(openapi, servers(own.String()), servers(mount+own.String()), 1)
}

// servers is the part of the description that tells where the paths begin.
func servers(prefix string) []byte {
	if prefix == "" {
		prefix = "/"
	}
	text, _ := json.Marshal([]any{map[string]any{"url": prefix}}) // never fails
	return append([]byte(`"servers":`), text...)
}
