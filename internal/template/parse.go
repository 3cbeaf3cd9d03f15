package template

import (
	"strconv"
	"strings"
)

// node is a part of a parsed template: text, a value, or a block.
type node interface {
	render(r *renderer, f *frame) error
}

type textNode string

type valueNode struct {
	path path
	raw  bool
}

type ifNode struct {
	path       path
	unless     bool
	then, rest []node
}

type eachNode struct {
	path       path
	body, rest []node
}

type withNode struct {
	path       path
	body, rest []node
}

// path leads to a value.
type path struct {
	up   int    // how many contexts to leave
	root bool   // from the root of all
	data string // index, key, first or last of the innermost each; else ""
	keys []string
}

// parser makes nodes of tokens.
type parser struct {
	source string
	tokens []token
	pos    int
	depth  int
	tags   bool
}

// template reads the whole template.
func (p *parser) template() ([]node, error) {
	nodes, err := p.nodes()
	if err != nil {
		return nil, err
	}
	if p.pos < len(p.tokens) {
		t := p.tokens[p.pos]
		return nil, fail(p.source, t.at, "{{%s}} without the block it belongs to", excerpt(tagName(t)))
	}
	return nodes, nil
}

func tagName(t token) string {
	if t.kind == closeToken {
		return "/" + t.text
	}
	return "else"
}

// nodes reads up to the end, or to a tag that ends or divides the block around.
func (p *parser) nodes() ([]node, error) {
	var nodes []node
	for p.pos < len(p.tokens) {
		t := p.tokens[p.pos]
		switch t.kind {
		case elseToken, closeToken:
			return nodes, nil
		case textToken:
			if t.text != "" {
				nodes = append(nodes, textNode(t.text))
			}
		case valueToken, rawToken:
			path, err := p.path(t, t.text)
			if err != nil {
				return nil, err
			}
			nodes = append(nodes, valueNode{path, t.kind == rawToken})
		case openToken:
			p.pos++
			n, err := p.block(t, t.text)
			if err != nil {
				return nil, err
			}
			nodes = append(nodes, n)
		}
		p.pos++
	}
	return nodes, nil
}

// block reads a block from behind its opening tag to its closing one, on which it stops. head
// is what stands in the opening tag, or behind the word else.
func (p *parser) block(open token, head string) (node, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, fail(p.source, open.at, "blocks are nested more than %d deep", maxDepth)
	}
	defer func() { p.depth-- }()
	helper, arg, _ := strings.Cut(head, " ")
	switch helper {
	case "if", "unless", "each", "with":
	default:
		return nil, fail(p.source, open.at, "%q is no block helper; if, unless, each and with are", excerpt(helper))
	}
	path, err := p.path(open, arg)
	if err != nil {
		return nil, err
	}
	body, err := p.nodes()
	if err != nil {
		return nil, err
	}
	rest, err := p.rest(open, helper)
	if err != nil {
		return nil, err
	}
	switch helper {
	case "each":
		return eachNode{path, body, rest}, nil
	case "with":
		return withNode{path, body, rest}, nil
	}
	return ifNode{path, helper == "unless", body, rest}, nil
}

// rest reads what stands behind the word else, if anything, and the closing tag.
func (p *parser) rest(open token, helper string) (rest []node, err error) {
	if p.pos >= len(p.tokens) {
		return nil, fail(p.source, open.at, "{{#%s}} has no end", helper)
	}
	t := p.tokens[p.pos]
	if t.kind == elseToken && t.text != "" { // a chain: one closing tag ends all of it
		p.pos++
		inner := open // its closing tag ends both
		inner.at = t.at
		n, err := p.block(inner, t.text)
		if err != nil {
			return nil, err
		}
		return []node{n}, nil
	}
	if t.kind == elseToken {
		p.pos++
		if rest, err = p.nodes(); err != nil {
			return nil, err
		}
	}
	if p.pos >= len(p.tokens) {
		return nil, fail(p.source, open.at, "{{#%s}} has no end", helper)
	}
	t = p.tokens[p.pos]
	if first, _, _ := strings.Cut(open.text, " "); t.kind != closeToken || t.text != first {
		return nil, fail(p.source, t.at, "{{%s}} where {{/%s}} is due", excerpt(tagName(t)), first)
	}
	return rest, nil
}

// path reads the way to a value.
func (p *parser) path(t token, text string) (path, error) {
	p.tags = true
	if text == "" {
		return path{}, fail(p.source, t.at, "the tag names no value")
	}
	out, ok := readPath(text)
	if ok && t.kind == openToken && literal(text) {
		ok = false // Handlebars reads a constant here
	}
	if !ok {
		return path{}, fail(p.source, t.at, "%q is not the name of a value", excerpt(text))
	}
	return out, nil
}

func literal(text string) bool {
	switch text {
	case "true", "false", "null", "undefined":
		return true
	}
	_, err := strconv.ParseFloat(text, 64)
	return err == nil && text[0] <= '9'
}

func readPath(text string) (out path, ok bool) {
	switch text {
	case "@index", "@key", "@first", "@last":
		return path{data: text[1:]}, true
	case "@root":
		return path{root: true}, true
	}
	if rest, ok := strings.CutPrefix(text, "@root."); ok {
		out.root = true
		out.keys, ok = segments(rest)
		return out, ok
	}
	rest := text
	for strings.HasPrefix(rest, "../") {
		out.up++
		rest = rest[len("../"):]
	}
	switch {
	case rest == "..":
		out.up++
		return out, true
	case rest == "." || rest == "this" || rest == "" && out.up > 0:
		return out, true
	}
	for _, prefix := range []string{"./", "this.", "this/"} {
		if after, ok := strings.CutPrefix(rest, prefix); ok {
			rest = after
			break
		}
	}
	out.keys, ok = segments(rest)
	return out, ok
}

// segments splits a path at dots and slashes. A segment is a word, or anything in brackets.
func segments(s string) (keys []string, ok bool) {
	for {
		var key string
		if strings.HasPrefix(s, "[") {
			n := bracketed(s)
			if n == 0 {
				return nil, false
			}
			key, s = unescape(s[1:n-1]), s[n:]
		} else {
			n := strings.IndexAny(s, notInWord)
			if n < 0 {
				n = len(s)
			}
			if n == 0 {
				return nil, false
			}
			key, s = s[:n], s[n:]
			if key == "this" {
				return nil, false
			}
		}
		keys = append(keys, key)
		if s == "" {
			return keys, true
		}
		if s[0] != '.' && s[0] != '/' {
			return nil, false
		}
		s = s[1:]
	}
}

// notInWord are the characters that a segment without brackets cannot hold, as in Handlebars.
const notInWord = " \t\r\n\f\v!\"#%&'()*+,./;<=>@[\\]^`{|}~"

// unescape takes the backslashes off that stand before a bracket or another one.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	return strings.NewReplacer(`\\`, `\`, `\]`, `]`).Replace(s)
}
