package aggregate

import "time"

var datePartOperators = map[string]operator{
	"$year":         {compile: datePart(time.Time.Year)},
	"$month":        {compile: datePart(func(t time.Time) int { return int(t.Month()) })},
	"$dayOfMonth":   {compile: datePart(time.Time.Day)},
	"$dayOfYear":    {compile: datePart(time.Time.YearDay)},
	"$dayOfWeek":    {compile: datePart(func(t time.Time) int { return int(t.Weekday()) + 1 })},
	"$hour":         {compile: datePart(time.Time.Hour)},
	"$minute":       {compile: datePart(time.Time.Minute)},
	"$second":       {compile: datePart(time.Time.Second)},
	"$millisecond":  {compile: datePart(func(t time.Time) int { return t.Nanosecond() / 1e6 })},
	"$week":         {compile: datePart(weekOfYear)},
	"$isoWeek":      {compile: isoPart(func(t time.Time) int { _, w := t.ISOWeek(); return w })},
	"$isoWeekYear":  {compile: isoPart(func(t time.Time) int { y, _ := t.ISOWeek(); return y })},
	"$isoDayOfWeek": {compile: isoPart(isoWeekday)},
}

// datePart is an operator on a date, or on {date, timezone}.
func datePart(f func(time.Time) int) func(*compiler, Value) expr { return part(f, true) }

// isoPart is like datePart and takes no text for a date.
func isoPart(f func(time.Time) int) func(*compiler, Value) expr { return part(f, false) }

func part(f func(time.Time) int, texts bool) func(*compiler, Value) expr {
	return func(c *compiler, arg Value) expr {
		name := c.path[len(c.path)-1]
		x := &call{name: name, path: c.at()}
		if arg.kind == Object && arg.field("date").kind != Missing {
			x.args = c.named(name, "date timezone?", arg)
		} else {
			x.args = append(c.positional(name, operator{min: 1, max: 1}, arg), literal{})
		}
		x.fn = func(c *call, e *env, a []Value) Value {
			if a[0].kind == String && !texts {
				return c.fail(e, "takes a date, not string")
			}
			t, ok := c.moment(e, a[0])
			if !ok {
				return null
			}
			loc := c.zoneArg(e, a[1])
			if loc == nil {
				return null
			}
			return number(float64(f(t.In(loc))))
		}
		return x
	}
}
