package aggregate

import (
	"math"
	"slices"
)

// bucketAuto is $bucketAuto.
type bucketAuto struct {
	grouping
	by     expr
	n      int
	series func(f float64, up bool) float64
	powers bool // the series is that of the powers of 2
}

func compileBucketAuto(c *compiler, arg Value) stage {
	s := &bucketAuto{grouping: grouping{path: c.at()}}
	if !c.options("$bucketAuto", arg, "groupBy", "buckets", "output", "granularity") {
		return s
	}
	if arg.field("groupBy").kind == Missing {
		c.fail("$bucketAuto needs \"groupBy\"")
	}
	c.push("groupBy")
	s.by = c.expr(arg.field("groupBy"))
	c.pop()
	n, ok := arg.field("buckets").whole()
	if !ok || n < 1 || n > 1<<31-1 {
		c.fail("$bucketAuto takes a positive whole number of buckets")
	}
	s.n = int(n)
	if g := arg.field("granularity"); g.kind != Missing {
		c.push("granularity")
		s.series, s.powers = c.granularity(g), g.str == "POWERSOF2"
		c.pop()
	}
	s.output(c, arg)
	return s
}

type keyed struct{ key, doc Value }

func (s *bucketAuto) run(e *env, in seq) seq {
	return gathered(e, s.path, in, func(docs []Value) ([]Value, error) {
		before := e.kept
		defer func() { e.run.drop(e.kept - before) }()
		rows := make([]keyed, len(docs))
		for i, d := range docs {
			e.on(d)
			rows[i] = keyed{s.by.eval(e), d}
			if rows[i].key.kind == Missing {
				rows[i].key = null
			}
			if s.series != nil && (rows[i].key.kind != Number || !(rows[i].key.num >= 0)) {
				e.fail(s.path, "a granularity needs numbers that are not negative, not %s", clip(string(rows[i].key.AppendJSON(nil))))
			}
			if err := e.failure(); err != nil {
				return nil, err
			}
		}
		slices.SortStableFunc(rows, func(a, b keyed) int { return compare(a.key, b.key) })
		out := []Value{}
		size := max(int(math.Round(float64(len(rows))/float64(s.n))), 1)
		for at := 0; at < len(rows); {
			least := rows[at].key
			end := min(at+size, len(rows))
			if len(out) == s.n-1 && !s.doubled(len(out)) {
				end = len(rows)
			}
			var most Value
			if s.series != nil {
				if len(out) > 0 {
					least = out[len(out)-1].field("_id").field("max")
				} else {
					least = s.firstLimit(least.num)
				}
				most = number(s.series(rows[end-1].key.num, true))
				if s.doubled(len(out)) {
					most = number(s.series(rows[at].key.num, true))
					end = at + 1
				}
				for end < len(rows) && compare(rows[end].key, most) < 0 {
					end++
				}
			} else {
				for end < len(rows) && compare(rows[end].key, rows[end-1].key) == 0 {
					end++
				}
				most = rows[min(end, len(rows)-1)].key
			}
			id := objectOf(&object{keys: []string{"min", "max"}, vals: []Value{least, most}})
			g := s.begin(e, id, rows[at].doc)
			for _, r := range rows[at:end] {
				s.add(e, g, r.doc)
			}
			out = append(out, s.result(e, g))
			if err := e.failure(); err != nil {
				return nil, err
			}
			at = end
		}
		return out, nil
	})
}

// preferred are the series of preferred numbers, each from 1 to 10.
var preferred = map[string][]float64{
	"R5":    {1, 1.6, 2.5, 4, 6.3},
	"R10":   {1, 1.25, 1.6, 2, 2.5, 3.15, 4, 5, 6.3, 8},
	"R20":   {1, 1.12, 1.25, 1.4, 1.6, 1.8, 2, 2.24, 2.5, 2.8, 3.15, 3.55, 4, 4.5, 5, 5.6, 6.3, 7.1, 8, 9},
	"R40":   {1, 1.06, 1.12, 1.18, 1.25, 1.32, 1.4, 1.5, 1.6, 1.7, 1.8, 1.9, 2, 2.12, 2.24, 2.36, 2.5, 2.65, 2.8, 3, 3.15, 3.35, 3.55, 3.75, 4, 4.25, 4.5, 4.75, 5, 5.3, 5.6, 6, 6.3, 6.7, 7.1, 7.5, 8, 8.5, 9, 9.5},
	"R80":   {1.03, 1.06, 1.09, 1.12, 1.15, 1.18, 1.22, 1.25, 1.28, 1.32, 1.36, 1.4, 1.45, 1.5, 1.55, 1.6, 1.65, 1.7, 1.75, 1.8, 1.85, 1.9, 1.95, 2, 2.06, 2.12, 2.18, 2.24, 2.3, 2.36, 2.43, 2.5, 2.58, 2.65, 2.72, 2.8, 2.9, 3, 3.07, 3.15, 3.25, 3.35, 3.45, 3.55, 3.65, 3.75, 3.87, 4, 4.12, 4.25, 4.37, 4.5, 4.62, 4.75, 4.87, 5, 5.15, 5.3, 5.45, 5.6, 5.8, 6, 6.15, 6.3, 6.5, 6.7, 6.9, 7.1, 7.3, 7.5, 7.75, 8, 8.25, 8.5, 8.75, 9, 9.25, 9.5, 9.75, 10},
	"1-2-5": {1, 2, 5},
	"E6":    {1, 1.5, 2.2, 3.3, 4.7, 6.8},
	"E12":   {1, 1.2, 1.5, 1.8, 2.2, 2.7, 3.3, 3.9, 4.7, 5.6, 6.8, 8.2},
	"E24":   {1, 1.1, 1.2, 1.3, 1.5, 1.6, 1.8, 2, 2.2, 2.4, 2.7, 3, 3.3, 3.6, 3.9, 4.3, 4.7, 5.1, 5.6, 6.2, 6.8, 7.5, 8.2, 9.1},
	"E48":   {1, 1.05, 1.1, 1.15, 1.21, 1.27, 1.33, 1.4, 1.47, 1.54, 1.62, 1.69, 1.78, 1.87, 1.96, 2.05, 2.15, 2.26, 2.37, 2.49, 2.61, 2.74, 2.87, 3.01, 3.16, 3.32, 3.48, 3.65, 3.83, 4.02, 4.22, 4.42, 4.64, 4.87, 5.11, 5.36, 5.62, 5.9, 6.19, 6.49, 6.81, 7.15, 7.5, 7.87, 8.25, 8.66, 9.09, 9.53},
	"E96":   {1, 1.02, 1.05, 1.07, 1.1, 1.13, 1.15, 1.18, 1.21, 1.24, 1.27, 1.3, 1.33, 1.37, 1.4, 1.43, 1.47, 1.5, 1.54, 1.58, 1.62, 1.65, 1.69, 1.74, 1.78, 1.82, 1.87, 1.91, 1.96, 2, 2.05, 2.1, 2.15, 2.21, 2.26, 2.32, 2.37, 2.43, 2.49, 2.55, 2.61, 2.67, 2.74, 2.8, 2.87, 2.94, 3.01, 3.09, 3.16, 3.24, 3.32, 3.4, 3.48, 3.57, 3.65, 3.74, 3.83, 3.92, 4.02, 4.12, 4.22, 4.32, 4.42, 4.53, 4.64, 4.75, 4.87, 4.99, 5.11, 5.23, 5.36, 5.49, 5.62, 5.76, 5.9, 6.04, 6.19, 6.34, 6.49, 6.65, 6.81, 6.98, 7.15, 7.32, 7.5, 7.68, 7.87, 8.06, 8.25, 8.45, 8.66, 8.87, 9.09, 9.31, 9.53, 9.76},
}

// granularity gives a function that rounds down, or up to the next number of a series.
func (c *compiler) granularity(v Value) func(float64, bool) float64 {
	if v.str == "POWERSOF2" {
		return func(f float64, up bool) float64 {
			if f == 0 {
				return 0
			}
			x := math.Log2(f)
			if up {
				return math.Pow(2, math.Floor(x)+1)
			}
			return math.Pow(2, math.Ceil(x)-1)
		}
	}
	series, ok := preferred[v.str]
	if v.kind != String || !ok {
		c.fail("there is no granularity %s", clip(string(v.AppendJSON(nil))))
	}
	return func(f float64, up bool) float64 {
		if f == 0 || math.IsInf(f, 0) {
			return f
		}
		scale := math.Pow(10, math.Floor(math.Log10(f)))
		var all []float64
		for _, m := range []float64{scale / 10, scale, scale * 10} {
			for _, x := range series {
				all = append(all, tidy(x*m))
			}
		}
		if up {
			for _, x := range all {
				if x > f {
					return x
				}
			}
		}
		below := all[0]
		for _, x := range all {
			if x < f {
				below = x
			}
		}
		return below
	}
}

// tidy drops what multiplying a decimal has added.
func tidy(f float64) float64 {
	if f == 0 || math.IsInf(f, 0) {
		return f
	}
	return roundDecimal(f, 12-int(math.Floor(math.Log10(f))))
}
