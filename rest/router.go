package rest

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// matched is a route whose pattern fits a path, with the parts of the path that its parameters
// stand for.
type matched struct {
	route  *route
	params map[string]string
}

// match returns the routes that fit a path. Those with more literal parts win over others of the
// same method: `deleted` is no name, unless byName says that data sources are named (spec 12.1).
func match(routes []*route, segments []string, byName bool) []matched {
	var found []matched
	for _, r := range routes {
		params, ok := r.fits(segments)
		if !ok || byName && r.hides {
			continue
		}
		i := slices.IndexFunc(found, func(m matched) bool { return m.route.method == r.method })
		switch {
		case i < 0:
			found = append(found, matched{r, params})
		case r.literals > found[i].route.literals:
			found[i] = matched{r, params}
		}
	}
	return found
}

// fits compares a path with the pattern of a route. A parameter stands for one part:
//
//	{ds}       an id or a name
//	{id}       digits, as are {version}, {file} and {folder}
//	{name}     anything: it is there for people
//	{entry}    digits, or the word session
//	{columns}  anything, left encoded since commas separate its members
//
// An id that is not digits fits nothing, and so is not found (spec 12.1).
func (r *route) fits(segments []string) (map[string]string, bool) {
	if len(segments) != len(r.parts) {
		return nil, false
	}
	var params map[string]string
	for i, part := range r.parts {
		if !strings.HasPrefix(part, "{") {
			if segments[i] != part {
				return nil, false
			}
			continue
		}
		value := segments[i]
		switch name := part[1 : len(part)-1]; {
		case value == "":
			return nil, false
		case name == "columns", name == "name":
		case name == "ds":
			value, _ = url.PathUnescape(value)
		case name == "entry" && value == "session":
		case !digits(value):
			return nil, false
		}
		if params == nil {
			params = make(map[string]string, 2)
		}
		params[part[1:len(part)-1]] = value
	}
	return params, true
}

// splitPath splits an escaped path at its slashes before anything is decoded, so that %2F and %2C
// may be part of a name (spec 12.1). A trailing slash is tolerated. Parts that no name can be,
// because they do not decode to UTF-8, are refused.
func splitPath(escaped string) ([]string, error) {
	path, ok := strings.CutPrefix(escaped, "/")
	if !ok {
		return nil, notFoundPath()
	}
	segments := strings.Split(strings.TrimSuffix(path, "/"), "/")
	for _, s := range segments {
		text, err := url.PathUnescape(s)
		if err != nil || !utf8.ValidString(text) {
			return nil, invalid("The path is not percent-encoded UTF-8.")
		}
	}
	return segments, nil
}

// splitColumns splits the encoded list of an indexes path at its commas, and decodes each member.
// Empty members are dropped.
func splitColumns(escaped string) ([]string, error) {
	var columns []string
	for part := range strings.SplitSeq(escaped, ",") {
		name, err := url.PathUnescape(part)
		if err != nil || !utf8.ValidString(name) {
			return nil, invalid("The path is not percent-encoded UTF-8.")
		}
		if name != "" && !slices.Contains(columns, name) {
			columns = append(columns, name)
		}
	}
	if len(columns) == 0 {
		return nil, invalid("Name at least one column, as in indexes/Name,Role.Name.")
	}
	return columns, nil
}

// allowed lists the methods of the routes found, for the header Allow.
func allowed(found []matched) string {
	var methods []string
	for _, m := range found {
		methods = append(methods, m.route.method)
		if m.route.method == http.MethodGet {
			methods = append(methods, http.MethodHead)
		}
	}
	slices.Sort(methods)
	return strings.Join(slices.Compact(methods), ", ")
}

// digits reports whether a text is made of the digits 0 to 9, and so names an id.
func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}
