package hooks

import (
	"context"
	"strconv"
	"strings"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/errs"
	"github.com/siftdb/siftdb/internal/template"
)

// part is a part of a compiled payload: every string in it is a template, keys are not (spec
// 10.3). It renders to JSON text.
type part interface {
	render(r *rendering, dst []byte) ([]byte, error)
}

// rendering is one payload at work.
type rendering struct {
	ctx  context.Context
	root template.Value
	left int // bytes that may still be written
}

type (
	constantPart []byte // JSON text
	textPart     struct {
		path     string
		template *template.Template
	}
	objectPart []fieldPart
	arrayPart  []part
)

type fieldPart struct {
	key   []byte // with its quotes and colon
	value part
}

// compilePart compiles a payload, which is nested no deeper than hooks may be.
func compilePart(path string, v document.Value) (part, *fault) {
	switch v.Kind() {
	case document.String:
		t, err := template.Parse(v.Str(), template.HTML)
		if err != nil {
			return nil, &fault{badTemplate, wrap(path, err, "the template cannot be used")}
		}
		return textPart{path, t}, nil
	case document.Object:
		fields := make(objectPart, 0, v.Len())
		for key, e := range v.Fields() {
			p, f := compilePart(path+"."+key, e)
			if f != nil {
				return nil, f
			}
			fields = append(fields, fieldPart{append(quoted(nil, key), ':'), p})
		}
		return fields, nil
	case document.Array:
		items := make(arrayPart, 0, v.Len())
		for i := range v.Len() {
			p, f := compilePart(at(path, i), v.At(i))
			if f != nil {
				return nil, f
			}
			items = append(items, p)
		}
		return items, nil
	}
	return constantPart(document.AppendJSON(nil, v)), nil
}

func quoted(dst []byte, s string) []byte { return document.AppendJSON(dst, document.Of(s)) }

// renderPart renders a payload over flat data.
func renderPart(ctx context.Context, p part, data document.Value) ([]byte, error) {
	r := &rendering{ctx: ctx, root: template.Of(data), left: maxRendered}
	return p.render(r, nil)
}

func (p constantPart) render(_ *rendering, dst []byte) ([]byte, error) { return append(dst, p...), nil }

func (p textPart) render(r *rendering, dst []byte) ([]byte, error) {
	if err := r.ctx.Err(); err != nil {
		return dst, err
	}
	text, err := p.template.Render(r.root)
	if err != nil {
		return dst, wrap(p.path, err, "the template cannot be rendered")
	}
	if r.left -= len(text); r.left < 0 {
		return dst, bad(p.path, "the payload renders to more than %d bytes", maxRendered)
	}
	return quoted(dst, strings.ToValidUTF8(text, "\uFFFD")), nil
}

func (p objectPart) render(r *rendering, dst []byte) (_ []byte, err error) {
	dst = append(dst, '{')
	for i, f := range p {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, err = f.value.render(r, append(dst, f.key...)); err != nil {
			return dst, err
		}
	}
	return append(dst, '}'), nil
}

func (p arrayPart) render(r *rendering, dst []byte) (_ []byte, err error) {
	dst = append(dst, '[')
	for i, item := range p {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, err = item.render(r, dst); err != nil {
			return dst, err
		}
	}
	return append(dst, ']'), nil
}

// pushTarget is whom a push hook is for: the keys appId and filter of the hook.
type pushTarget struct {
	appID        int64
	filtered     bool
	dataSourceID int64
	match        part
}

// compilePush reads whom a push hook is for. A filter that cannot be read is a fault: without it,
// everybody would be told.
func compilePush(path string, v document.Value) (*pushTarget, *fault) {
	p := &pushTarget{}
	var err error
	if id := v.Field("appId"); id.Kind() > document.Null {
		if p.appID, err = positive(id); err != nil {
			return nil, &fault{badPayload, wrap(path+".appId", err, "the app cannot be read")}
		}
	}
	filter := v.Field("filter")
	switch filter.Kind() {
	case document.Absent, document.Null:
		return p, nil
	case document.Object:
	default:
		return nil, &fault{badPayload, bad(path+".filter", "filter must be an object, not %s", kindName(filter))}
	}
	p.filtered = true
	if p.dataSourceID, err = positive(filter.Field("dataSourceId")); err != nil {
		return nil, &fault{badPayload, wrap(path+".filter.dataSourceId", err, "the data source cannot be read")}
	}
	match := filter.Field("match")
	switch match.Kind() {
	case document.Absent, document.Null:
		match = document.Of(map[string]any{})
	case document.Object:
	default:
		return nil, &fault{badPayload, bad(path+".filter.match", "match must be an object, not %s", kindName(match))}
	}
	var f *fault
	p.match, f = compilePart(path+".filter.match", match)
	return p, f
}

// positive reads an id, a number or the text of one.
func positive(v document.Value) (int64, error) {
	text := v.Str()
	if v.Kind() == document.Number {
		text = textOf(v)
	}
	id, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil || id < 1 || id > 1<<53 {
		return 0, errs.New(errs.InvalidInput, "an id must be a positive integer, not %s", short(v))
	}
	return id, nil
}
