package security

import (
	"encoding/json"
	"math"
	"strconv"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/errs"
	"github.com/siftdb/siftdb/internal/template"
)

// The limits of one list of rules. They are far above what people write.
const (
	maxRulesBytes = 4 << 20
	maxRules      = 1_000
	maxRulesDepth = 16
	maxTemplate   = 16 << 10
)

const rulesKey = "accessRules"

// ParseRules reads access rules as they are stored: an array of rules, or null or no text for
// none. What has the wrong shape, what could never grant or restrict anything as it is written,
// and templates that do not parse, are errors with the code InvalidInput and a Path such as
// `accessRules.0.allow` (spec 11.2). A key that no rule has is one, too: it may be a restriction
// that is spelt wrong.
func ParseRules(text json.RawMessage) (*Policy, error) {
	if len(text) == 0 {
		return &Policy{}, nil
	}
	if len(text) > maxRulesBytes {
		return nil, bad(rulesKey, "the rules have %d bytes; %d are allowed", len(text), maxRulesBytes)
	}
	v, err := document.Parse(text, document.Limits{Depth: maxRulesDepth})
	if err != nil {
		e := errs.Wrap(errs.InvalidInput, err, "the rules cannot be read")
		e.Path = rulesKey
		return nil, e
	}
	switch {
	case v.Kind() == document.Null:
		return &Policy{}, nil
	case v.Kind() != document.Array:
		return nil, bad(rulesKey, "rules must be an array or null, not %s", kindName(v))
	case v.Len() > maxRules:
		return nil, bad(rulesKey, "there are %d rules; %d are allowed", v.Len(), maxRules)
	}
	p := &Policy{}
	for item := range v.Items() {
		r, err := parseRule(len(p.rules), item)
		if err != nil {
			return nil, err
		}
		p.rules = append(p.rules, r)
	}
	return p, nil
}

// bad returns an error about a place in the rules.
func bad(path, format string, args ...any) error {
	return errs.At(errs.InvalidInput, path, format, args...)
}

// kindName names the kind of a value, with its article.
func kindName(v document.Value) string {
	switch k := v.Kind(); k {
	case document.Array, document.Object:
		return "an " + k.String()
	case document.Null, document.Absent:
		return k.String()
	default:
		return "a " + k.String()
	}
}

// ruleKeys reads the keys of a rule. Those of whom and what a rule with a script is for do not
// count, and are not looked at.
var ruleKeys = map[string]func(r *rule, path string, v document.Value) error{
	"type":    (*rule).parseType,
	"allow":   (*rule).parseAllow,
	"enabled": (*rule).parseEnabled,
	"include": (*rule).parseInclude,
	"exclude": (*rule).parseExclude,
	"require": (*rule).parseRequire,
	"appId":   (*rule).parseAppID,
	"name":    (*rule).parseName,
	"script":  (*rule).parseScript,
}

func parseRule(index int, v document.Value) (rule, error) {
	path := rulesKey + "." + strconv.Itoa(index)
	r := rule{index: index}
	if v.Kind() != document.Object {
		return r, bad(path, "a rule must be an object, not %s", kindName(v))
	}
	scripted := v.Field("script").Kind() != document.Absent
	for key, value := range v.Fields() {
		read, ok := ruleKeys[key]
		if !ok {
			return r, bad(path+"."+key, "a rule has no key %q", key)
		}
		if scripted && (key == "type" || key == "allow") {
			continue
		}
		if err := read(&r, path+"."+key, value); err != nil {
			return r, err
		}
	}
	if r.limits.include != nil {
		r.limits.exclude = nil
	}
	if scripted {
		if r.script == "" {
			return r, bad(path+".script", "a script must not be empty")
		}
		return r, nil
	}
	for _, key := range []string{"type", "allow"} {
		if v.Field(key).Kind() == document.Absent {
			return r, bad(path+"."+key, "a rule without a script needs %s", key)
		}
	}
	return r, nil
}

func (r *rule) parseEnabled(path string, v document.Value) error {
	if v.Kind() != document.Bool {
		return bad(path, "enabled must be true or false, not %s", kindName(v))
	}
	r.disabled = !v.Bool()
	return nil
}

func (r *rule) parseType(path string, v document.Value) error {
	r.types = map[Operation]bool{}
	if v.Kind() == document.String {
		return r.addType(path, v)
	}
	if v.Kind() != document.Array {
		return bad(path, "type must be an operation or an array of them, not %s", kindName(v))
	}
	for i := range v.Len() {
		if err := r.addType(at(path, i), v.At(i)); err != nil {
			return err
		}
	}
	return nil
}

func (r *rule) addType(path string, v document.Value) error {
	op := Operation(string([]byte(v.Str())))
	if !op.known() {
		return bad(path, "%s is no operation; select, insert, update, delete and count are", short(v))
	}
	r.types[op] = true
	return nil
}

func (r *rule) parseAllow(path string, v document.Value) error {
	switch {
	case v.Str() == "all":
		r.allow.all = true
		return nil
	case v.Str() == "loggedIn":
		r.allow.loggedIn = true
		return nil
	case v.Kind() != document.Object || v.Len() == 0:
		return bad(path, `allow must be "all", "loggedIn", or an object with user or tokens, not %s`, short(v))
	}
	for key, value := range v.Fields() {
		var err error
		switch key {
		case "user":
			r.allow.loggedIn = true
			r.allow.user, err = parseConditions(path+".user", value)
		case "tokens":
			r.allow.tokens, err = parseIDs(path+".tokens", value)
		default:
			return bad(path+"."+key, "allow has no key %q", key)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *rule) parseInclude(path string, v document.Value) (err error) {
	r.limits.include, err = parseNames(path, v)
	return err
}

func (r *rule) parseExclude(path string, v document.Value) (err error) {
	r.limits.exclude, err = parseNames(path, v)
	return err
}

func (r *rule) parseAppID(path string, v document.Value) (err error) {
	r.appIDs, err = parseIDs(path, v)
	return err
}

func (r *rule) parseName(path string, v document.Value) (err error) {
	r.name, err = parseString(path, v)
	return err
}

func (r *rule) parseScript(path string, v document.Value) (err error) {
	r.script, err = parseString(path, v)
	return err
}

func (r *rule) parseRequire(path string, v document.Value) error {
	if v.Kind() != document.Array {
		return bad(path, "require must be an array, not %s", kindName(v))
	}
	for i := range v.Len() {
		switch item := v.At(i); item.Kind() {
		case document.String:
			if item.Len() == 0 {
				return bad(at(path, i), "a column has no name")
			}
			r.require = append(r.require, requirement{column: string([]byte(item.Str()))})
		case document.Object:
			list, err := parseConditions(at(path, i), item)
			if err != nil {
				return err
			}
			if len(list) == 0 {
				return bad(at(path, i), "a requirement names no column")
			}
			r.require = append(r.require, list...)
		default:
			return bad(at(path, i), "a requirement must be a column or an object, not %s", kindName(item))
		}
	}
	return nil
}

// parseConditions reads `{Column: {op: value}}`.
func parseConditions(path string, v document.Value) ([]requirement, error) {
	if v.Kind() != document.Object {
		return nil, bad(path, "conditions must be an object, not %s", kindName(v))
	}
	var all []requirement
	for column, ops := range v.Fields() {
		place := path + "." + column
		if ops.Kind() != document.Object || ops.Len() == 0 {
			return nil, bad(place, "the condition must be an object such as {\"equals\": \"x\"}, not %s", short(ops))
		}
		r := requirement{column: string([]byte(column))}
		for name, value := range ops.Fields() {
			op, ok := comparisons[name]
			if !ok {
				return nil, bad(place+"."+name, "%q is no operator; equals, notequals and contains are", name)
			}
			t, err := parseTemplate(place+"."+name, value)
			if err != nil {
				return nil, err
			}
			r.conditions = append(r.conditions, condition{op, t})
		}
		all = append(all, r)
	}
	return all, nil
}

// parseTemplate reads the value of a condition; a number or boolean stands for its text.
func parseTemplate(path string, v document.Value) (*template.Template, error) {
	var source string
	switch v.Kind() {
	case document.String:
		source = v.Str()
	case document.Number, document.Bool:
		source = v.String()
	default:
		return nil, bad(path, "the value must be a text, a number or a boolean, not %s", kindName(v))
	}
	if len(source) > maxTemplate {
		return nil, bad(path, "the template has %d bytes; %d are allowed", len(source), maxTemplate)
	}
	t, err := template.Parse(source, template.Text)
	if err != nil {
		e := errs.Wrap(errs.InvalidInput, err, "the value cannot be used")
		e.Path = path
		return nil, e
	}
	return t, nil
}

func parseNames(path string, v document.Value) (set, error) {
	if v.Kind() != document.Array {
		return nil, bad(path, "columns must be an array, not %s", kindName(v))
	}
	names := set{}
	for i := range v.Len() {
		if v.At(i).Kind() != document.String {
			return nil, bad(at(path, i), "a column must be a text, not %s", kindName(v.At(i)))
		}
		names[string([]byte(v.At(i).Str()))] = true
	}
	return names, nil
}

func parseIDs(path string, v document.Value) (map[int64]bool, error) {
	if v.Kind() != document.Array {
		return nil, bad(path, "ids must be an array, not %s", kindName(v))
	}
	ids := map[int64]bool{}
	for i := range v.Len() {
		f := v.At(i).Float()
		if f < 1 || f > 1<<53 || f != math.Trunc(f) {
			return nil, bad(at(path, i), "an id must be a positive integer, not %s", short(v.At(i)))
		}
		ids[int64(f)] = true
	}
	return ids, nil
}

func parseString(path string, v document.Value) (string, error) {
	if v.Kind() != document.String {
		return "", bad(path, "the value must be a text, not %s", kindName(v))
	}
	return string([]byte(v.Str())), nil
}

func at(path string, i int) string { return path + "." + strconv.Itoa(i) }

// short is a value's text for a message.
func short(v document.Value) string {
	const most = 60
	s := v.String()
	if len(s) > most {
		return kindName(v)
	}
	return s
}
