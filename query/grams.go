package query

import (
	"regexp/syntax"
	"unicode/utf8"
)

// Grams returns texts, folded as AppendFolded folds: a value that passes the condition of a
// ProbePath has a folded text that holds all texts of one of the alternatives. ok is false when
// the condition does not tell. Each text has at least three code points. The text of an array
// is that of all its elements.
func (p *Probe) Grams() (alternatives [][]string, ok bool) { return gramsOf(p.node) }

// maxAlternatives is how many alternatives are told apart.
const maxAlternatives = 32

// gramRunes is how many code points a text needs to be of use.
const gramRunes = 3

func gramsOf(n node) ([][]string, bool) {
	switch n := n.(type) {
	case *like:
		if n.isWhole {
			return oneAlternative(n.whole.pieces)
		}
		return oneAlternative([]string{n.needle.text})
	case *filterContains:
		if n.never && !n.not {
			return nil, true
		}
		if !n.not {
			return oneAlternative([]string{n.needle.text})
		}
	case *filterEqual:
		if !n.not && !n.never {
			return oneAlternative([]string{n.text})
		}
	case *filterOneOf:
		return gramsOfMembers(n.members.list)
	case *regex:
		return gramsOfExpression(n.expr)
	case *filterRegex:
		return gramsOfExpression(n.expr)
	case *elemMatch:
		return gramsOf(n.node)
	case *and:
		var best [][]string
		found := false
		for _, m := range n.nodes {
			if alternatives, ok := gramsOf(m); ok && (!found || len(alternatives) < len(best)) {
				best, found = alternatives, true
			}
		}
		return best, found
	case *or:
		var all [][]string
		for _, m := range n.nodes {
			alternatives, ok := gramsOf(m)
			if all = append(all, alternatives...); !ok || len(all) > maxAlternatives {
				return nil, false
			}
		}
		return all, true
	case never:
		return nil, true
	}
	return nil, false
}

// oneAlternative is what pieces ask that must all be there.
func oneAlternative(pieces []string) ([][]string, bool) {
	var texts []string
	for _, piece := range pieces {
		if text := string(AppendFolded(nil, bytesOf(piece))); utf8.RuneCountInString(text) >= gramRunes {
			texts = append(texts, text)
		}
	}
	return [][]string{texts}, len(texts) > 0
}

func gramsOfMembers(members []string) ([][]string, bool) {
	if len(members) > maxAlternatives {
		return nil, false
	}
	var all [][]string
	for _, m := range members {
		alternatives, ok := oneAlternative([]string{m})
		if !ok {
			return nil, false
		}
		all = append(all, alternatives...)
	}
	return all, true
}

// gramsOfExpression finds texts that whatever an expression matches must hold.
func gramsOfExpression(e *expression) ([][]string, bool) {
	parsed, err := syntax.Parse(e.String(), syntax.Perl)
	if err != nil {
		return nil, false
	}
	return gramsOfSyntax(parsed.Simplify())
}

func gramsOfSyntax(re *syntax.Regexp) ([][]string, bool) {
	switch re.Op {
	case syntax.OpNoMatch:
		return nil, true
	case syntax.OpLiteral:
		return oneAlternative([]string{string(re.Rune)})
	case syntax.OpCapture, syntax.OpPlus:
		return gramsOfSyntax(re.Sub[0])
	case syntax.OpConcat:
		return gramsOfConcat(re.Sub)
	case syntax.OpAlternate:
		var all [][]string
		for _, sub := range re.Sub {
			alternatives, ok := gramsOfSyntax(sub)
			if all = append(all, alternatives...); !ok || len(all) > maxAlternatives {
				return nil, false
			}
		}
		return all, true
	}
	return nil, false
}

// gramsOfConcat takes all literals of a sequence, and of what else it says the first
// alternatives that do not come alone.
func gramsOfConcat(subs []*syntax.Regexp) ([][]string, bool) {
	var texts []string
	var several [][]string
	for _, sub := range subs {
		alternatives, ok := gramsOfSyntax(sub)
		switch {
		case !ok:
		case len(alternatives) == 0:
			return nil, true
		case len(alternatives) == 1:
			texts = append(texts, alternatives[0]...)
		case several == nil:
			several = alternatives
		}
	}
	if len(texts) > 0 {
		return [][]string{texts}, true
	}
	return several, several != nil
}
