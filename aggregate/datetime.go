package aggregate

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// maxDate is the last moment that a date can hold, in ms since 1970.
const maxDate = 8.64e15

// parseISO reads a date in ISO 8601, in ms since 1970: YYYY, YYYY-MM or YYYY-MM-DD, and then a
// T or a space, hours and minutes, seconds and fraction, and a zone; without one it is UTC.
func parseISO(s string) (float64, bool) {
	p := &scanner{s: s}
	year, ok := p.digits(4, 4)
	if !ok {
		return 0, false
	}
	month, day, hour, minute, second, ms := 1, 1, 0, 0, 0, 0
	if p.take('-') {
		if month, ok = p.digits(2, 2); !ok {
			return 0, false
		}
		if p.take('-') {
			if day, ok = p.digits(2, 2); !ok {
				return 0, false
			}
		}
	}
	offset := time.Duration(0)
	if p.take('T') || p.take('t') || p.take(' ') {
		if hour, ok = p.digits(2, 2); !ok || !p.take(':') {
			return 0, false
		}
		if minute, ok = p.digits(2, 2); !ok {
			return 0, false
		}
		if p.take(':') {
			if second, ok = p.digits(2, 2); !ok {
				return 0, false
			}
			if p.take('.') {
				if ms, ok = p.fraction(); !ok {
					return 0, false
				}
			}
		}
		if rest := strings.TrimPrefix(p.s, " "); rest != "" {
			if offset, ok = parseOffset(rest); !ok {
				return 0, false
			}
			p.s = ""
		}
	}
	if p.s != "" || month < 1 || month > 12 || day < 1 || day > daysIn(year, month) ||
		hour > 24 || minute > 59 || second > 59 || hour == 24 && (minute > 0 || second > 0 || ms > 0) {
		return 0, false
	}
	t := time.Date(year, time.Month(month), day, hour, minute, second, ms*1e6, time.UTC)
	return float64(t.Add(-offset).UnixMilli()), true
}

func daysIn(year, month int) int {
	return time.Date(year, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

// scanner reads a text from the front.
type scanner struct{ s string }

func (p *scanner) take(c byte) bool {
	if p.s != "" && p.s[0] == c {
		p.s = p.s[1:]
		return true
	}
	return false
}

// digits reads a number of between least and most digits.
func (p *scanner) digits(least, most int) (int, bool) {
	n := 0
	for n < len(p.s) && n < most && p.s[n] >= '0' && p.s[n] <= '9' {
		n++
	}
	if n < least {
		return 0, false
	}
	v, err := strconv.Atoi(p.s[:n])
	p.s = p.s[n:]
	return v, err == nil
}

// fraction reads the digits after the point of the seconds, in ms.
func (p *scanner) fraction() (int, bool) {
	n := 0
	for n < len(p.s) && p.s[n] >= '0' && p.s[n] <= '9' {
		n++
	}
	if n == 0 {
		return 0, false
	}
	d := (p.s[:n] + "00")[:3]
	p.s = p.s[n:]
	v, err := strconv.Atoi(d)
	return v, err == nil
}

// parseOffset reads Z, UTC, GMT, +HH, +HHMM or +HH:MM.
func parseOffset(s string) (time.Duration, bool) {
	switch strings.ToUpper(s) {
	case "Z", "UTC", "GMT":
		return 0, true
	}
	p := &scanner{s: s}
	sign := time.Duration(1)
	if p.take('-') {
		sign = -1
	} else if !p.take('+') {
		return 0, false
	}
	h, ok := p.digits(2, 2)
	if !ok {
		return 0, false
	}
	m := 0
	if p.s != "" {
		p.take(':')
		if m, ok = p.digits(2, 2); !ok || p.s != "" || m > 59 {
			return 0, false
		}
	}
	return sign * (time.Duration(h)*time.Hour + time.Duration(m)*time.Minute), true
}

// zone reads a time zone: an offset, or a name of the machine's time zone database.
func zone(s string) (*time.Location, bool) {
	if d, ok := parseOffset(s); ok {
		if d == 0 {
			return time.UTC, true
		}
		return time.FixedZone("", int(d/time.Second)), true
	}
	if s == "" || s == "Local" || len(s) > 64 {
		return nil, false
	}
	loc, err := time.LoadLocation(s)
	return loc, err == nil
}

// zone is like the function zone, and reads a zone from the database once a run.
func (r *run) zone(s string) *time.Location {
	loc, ok := r.zones[s]
	if ok {
		return loc
	}
	if loc, ok = zone(s); !ok {
		return nil
	}
	if r.zones == nil {
		r.zones = map[string]*time.Location{}
	}
	if len(r.zones) < 100 {
		r.zones[strings.Clone(s)] = loc
	}
	return loc
}

// zoneArg gives the zone that an argument names; missing is UTC. At null it gives nil.
func (c *call) zoneArg(e *env, v Value) *time.Location {
	switch v.kind {
	case Missing:
		return time.UTC
	case Null:
		return nil
	case String:
		if loc := e.run.zone(v.str); loc != nil {
			return loc
		}
	}
	c.fail(e, "knows no time zone %s", clip(string(v.AppendJSON(nil))))
	return nil
}

// date returns a date that the operator made, which must be one.
func (c *call) date(e *env, ms float64) Value {
	if math.IsNaN(ms) || math.Abs(ms) > maxDate {
		return c.fail(e, "gives a date out of range")
	}
	return dateOf(ms)
}

// moment gives the time in a date, or in a text in ISO 8601. ok is false for anything else,
// which is an error unless it is null or missing.
func (c *call) moment(e *env, v Value) (t time.Time, ok bool) {
	switch v.kind {
	case Missing, Null:
		return t, false
	case Date:
		return v.time(), true
	case String:
		if ms, ok := parseISO(v.str); ok {
			return time.UnixMilli(int64(ms)).UTC(), true
		}
	}
	c.fail(e, "takes a date, not %s", typeName(v))
	return t, false
}

// days counts the days from 1970 to the date of a time in its zone.
func days(t time.Time) int64 {
	y, m, d := t.Date()
	return floorDiv(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix(), 86400)
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// addMonths keeps the day within its month.
func addMonths(t time.Time, n int) time.Time {
	y, m, d := t.Date()
	first := time.Date(y, m+time.Month(n), 1, 0, 0, 0, 0, time.UTC)
	d = min(d, daysIn(first.Year(), int(first.Month())))
	return time.Date(first.Year(), first.Month(), d, t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), t.Location())
}

// weekday reads the name of a day, or its first three letters; 0 is Sunday.
func weekday(s string) (int, bool) {
	for d := range 7 {
		name := strings.ToLower(time.Weekday(d).String())
		if s = strings.ToLower(s); s == name || s == name[:3] {
			return d, true
		}
	}
	return 0, false
}

// week counts the weeks that begin on a weekday, from a fixed one.
func week(t time.Time, start int) int64 { return floorDiv(days(t)+4-int64(start), 7) }

// weekOfYear is the number of the week, from 0, of which each begins on a Sunday.
func weekOfYear(t time.Time) int { return (t.YearDay() + 6 - int(t.Weekday())) / 7 }

func isoWeekday(t time.Time) int { return (int(t.Weekday())+6)%7 + 1 }
