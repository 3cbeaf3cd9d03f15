// Package template renders the Handlebars templates of access rules and hooks (spec 10.3,
// 11.8): a small, closed part of the language, without helpers to register, partials, or any
// state that is shared.
//
//	{{x}} {{a.b}} {{[First Name]}}   a value; HTML-escaped with HTML
//	{{{x}}} {{&x}}                   a value as it is
//	{{! text }} {{!-- text --}}      a comment
//	{{#if x}} {{else if y}} {{else}} {{/if}}
//	{{#unless x}} {{/unless}}
//	{{#each list}} {{/each}}         this, @index, @key, @first, @last
//	{{#with x}} {{/with}}
//	../x  @root.x                    a way out of each and with
//	{{~x~}}  \{{x}}                  white space taken off; not a template
//
// What is missing renders empty, objects and arrays as JSON, numbers with their digits. A tag
// of a block that stands alone on its line takes the line with it, as in Handlebars.
package template

import (
	"github.com/siftdb/siftdb/internal/errs"
)

// Escape says what becomes of the values of {{x}}.
type Escape bool

// Text leaves values as they are, for rules: the result is compared. HTML escapes them, for
// hooks.
const (
	Text Escape = false
	HTML Escape = true
)

// The limits of one template. They are far above what templates need, and low enough that no
// template is a burden.
const (
	maxSource = 1 << 20  // bytes of its text
	maxDepth  = 50       // blocks inside each other
	maxSteps  = 1 << 20  // parts that are rendered, each turn of a loop anew
	maxOutput = 16 << 20 // bytes it renders to
)

// Template is a parsed template. It is safe for concurrent use.
type Template struct {
	nodes  []node
	escape Escape
	tags   bool
}

// Parse reads a template. An error has the code InvalidInput and tells line and column.
func Parse(source string, escape Escape) (*Template, error) {
	if len(source) > maxSource {
		return nil, errs.New(errs.InvalidInput, "the template has %d bytes; %d are allowed", len(source), maxSource)
	}
	tokens, err := scan(source)
	if err != nil {
		return nil, err
	}
	trim(tokens)
	p := parser{source: source, tokens: tokens}
	nodes, err := p.template()
	if err != nil {
		return nil, err
	}
	return &Template{nodes: nodes, escape: escape, tags: p.tags}, nil
}

// Reads reports whether the template reads any value; without, it is literal text.
func (t *Template) Reads() bool { return t.tags }

// Render renders the template over a root value, usually an object. An error has the code
// TooLarge.
func (t *Template) Render(root Value) (string, error) {
	r := renderer{escape: t.escape, root: root}
	if err := r.nodes(t.nodes, &frame{this: root}); err != nil {
		return "", err
	}
	if err := r.step(); err != nil { // what the last part took
		return "", err
	}
	return string(r.out), nil
}
