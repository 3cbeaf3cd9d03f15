package security

import (
	"strconv"
	"strings"
)

// Session is what is known of a caller that the filters of views may use. It grants nothing by
// itself: a view is a filter that the caller chooses, not a permission, and whoever fills a
// Session vouches for what is in it. The zero Session, and a nil one, know nothing. It may be
// used by several goroutines as long as nobody changes it.
type Session struct {
	// UUID identifies the session; empty when it has no identity.
	UUID string `json:"uuid,omitempty"`
	// Values are the host program's own. They win over everything but UUID.
	Values map[string]any `json:"values,omitempty"`
	// EntryID and DataSourceID name the entry that the user logged in with; 0 when it is not
	// known.
	EntryID      int64 `json:"entryId,omitempty"`
	DataSourceID int64 `json:"dataSourceId,omitempty"`
	// User is the columns of that entry.
	User map[string]any `json:"user,omitempty"`
	// Attributes are what another identity provider tells of the user.
	Attributes map[string]any `json:"attributes,omitempty"`
}

// Lookup finds what `session.` and a path stand for. The first of these that has a value counts:
//
//  1. `uuid`, then the host program's values;
//  2. `id` and `dataSourceId` of the user's entry;
//  3. the columns of the user's entry;
//  4. the attributes.
//
// In 1, 3 and 4 a name is tried as a whole, then as the longest name in front of a dot and a
// way into its value, by keys of objects and indexes of arrays, as decoded JSON has them. In 3
// and 4 `user.X` and `entries.dataSource.data.X` reach what X does, unless something has that
// very name. A value that is nil counts as not found; a nil Session finds nothing.
func (s *Session) Lookup(path string) (value any, ok bool) {
	if s == nil {
		return nil, false
	}
	if v := s.own(path); v != nil {
		return v, true
	}
	switch {
	case path == "id" && s.EntryID != 0:
		return s.EntryID, true
	case path == "dataSourceId" && s.DataSourceID != 0:
		return s.DataSourceID, true
	}
	for _, columns := range []map[string]any{s.User, s.Attributes} {
		if v := column(columns, path); v != nil {
			return v, true
		}
	}
	return nil, false
}

// own finds what the session itself has under a path.
func (s *Session) own(path string) any {
	if path == "uuid" && s.UUID != "" {
		return s.UUID
	}
	return find(s.Values, path)
}

// userPrefixes are what may stand in front of the name of a column.
var userPrefixes = []string{"user.", "entries.dataSource.data."}

// column finds a column of the user, with or without a prefix.
func column(columns map[string]any, path string) any {
	if v := find(columns, path); v != nil {
		return v
	}
	for _, prefix := range userPrefixes {
		if name, ok := strings.CutPrefix(path, prefix); ok {
			return find(columns, name)
		}
	}
	return nil
}

// find looks for a path: the whole name first, then the longest name that leads on to a value.
func find(columns map[string]any, path string) any {
	if v := columns[path]; v != nil {
		return v
	}
	for name := path; ; {
		dot := strings.LastIndexByte(name, '.')
		if dot < 0 {
			return nil
		}
		name = path[:dot]
		if v := walk(columns[name], path[dot+1:]); v != nil {
			return v
		}
	}
}

// walk follows a path from a value, nil when it leads nowhere.
func walk(v any, path string) any {
	for step := range strings.SplitSeq(path, ".") {
		switch x := v.(type) {
		case map[string]any:
			v = x[step]
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i < 0 || i >= len(x) || strconv.Itoa(i) != step {
				return nil
			}
			v = x[i]
		default:
			return nil
		}
	}
	return v
}
