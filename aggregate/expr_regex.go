package aggregate

import "unicode/utf8"

var regexOperators = map[string]operator{
	"$regexMatch":   {compile: compileRegex(regexMatch)},
	"$regexFind":    {compile: compileRegex(regexFind)},
	"$regexFindAll": {compile: compileRegex(regexFindAll)},
}

type regexFunc func(c *call, e *env, p *pattern, s string, ok bool) Value

// compileRegex compiles an operator over {input, regex, options}. A pattern that is known is
// compiled once.
func compileRegex(f regexFunc) func(*compiler, Value) expr {
	return func(c *compiler, arg Value) expr {
		name := c.path[len(c.path)-1]
		x := &call{name: name, path: c.at()}
		x.args = c.named(name, "input regex options?", arg)
		if c.err != nil {
			return literal{}
		}
		var fixed *pattern
		re, ok1 := x.args[1].(literal)
		opt, ok2 := x.args[2].(literal)
		if ok1 && ok2 && re.v.kind == String {
			var why string
			if fixed, why = compilePattern(c.limits, re.v.str, opt.v.str); why != "" {
				return c.fail("%s", why)
			}
		}
		x.fn = func(c *call, e *env, a []Value) Value {
			p := fixed
			switch {
			case a[0].kind != String && !a[0].nullish():
				return c.fail(e, "takes a text, not %s", typeName(a[0]))
			case p != nil:
			case a[1].nullish():
				return f(c, e, nil, "", false)
			case a[1].kind != String:
				return c.fail(e, "takes a text as regex, not %s", typeName(a[1]))
			default:
				if !e.step(1 + len(a[1].str)) {
					return null
				}
				var why string
				if p, why = compilePattern(e.run.limits, a[1].str, a[2].str); why != "" {
					return c.fail(e, ": %s", why)
				}
			}
			if a[0].nullish() || !p.affordable(e, c.path, a[0].str) {
				return f(c, e, p, "", false)
			}
			return f(c, e, p, a[0].str, true)
		}
		return x
	}
}

func regexMatch(_ *call, _ *env, p *pattern, s string, ok bool) Value {
	return boolean(ok && p.MatchString(s))
}

func regexFind(_ *call, _ *env, p *pattern, s string, ok bool) Value {
	if !ok {
		return null
	}
	m := p.FindStringSubmatchIndex(s)
	if m == nil {
		return null
	}
	return found(s, m, utf8.RuneCountInString(s[:m[0]]))
}

func regexFindAll(c *call, e *env, p *pattern, s string, ok bool) Value {
	list := []Value{}
	if ok {
		all := p.FindAllStringSubmatchIndex(s, -1)
		starts, ends := make([]int, len(all)), make([]int, len(all))
		at, points := 0, 0
		for i, m := range all {
			points += utf8.RuneCountInString(s[at:m[0]])
			starts[i] = points
			points += utf8.RuneCountInString(s[m[0]:m[1]])
			ends[i], at = points, m[1]
		}
		for i, n := range matchIndexes(starts, ends) {
			if !e.spend(c.path, (6+len(all[i])/2)*valueSize) {
				return null
			}
			list = append(list, found(s, all[i], n))
		}
	}
	return c.list(e, list)
}

// found describes a match: its text, where it begins, and its groups.
func found(s string, m []int, at int) Value {
	o := newObject(3)
	o.add("match", text(s[m[0]:m[1]]))
	o.add("idx", number(float64(at)))
	groups := []Value{}
	for i := 2; i+1 < len(m); i += 2 {
		if m[i] < 0 {
			groups = append(groups, null)
		} else {
			groups = append(groups, text(s[m[i]:m[i+1]]))
		}
	}
	o.add("captures", arrayOf(groups))
	return objectOf(o)
}
