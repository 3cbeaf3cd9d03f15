package query

import (
	"strings"

	"github.com/siftdb/siftdb/internal/document"
)

// unit is what dates are truncated to before they are compared.
type unit uint8

const (
	noUnit unit = iota
	unitYear
	unitQuarter
	unitMonth
	unitWeek
	unitDay
	unitHour
	unitMinute
	unitSecond
)

var units = map[string]unit{
	"year": unitYear, "quarter": unitQuarter, "month": unitMonth, "week": unitWeek,
	"day": unitDay, "hour": unitHour, "minute": unitMinute, "second": unitSecond,
}

// moment is a date, a date with a time of day, or a time of day.
type moment struct {
	days    int64 // since 1970
	seconds int64 // of the day
	hasDate bool
	hasTime bool
	grain   unit // as exact as it was written
}

// parseMoment reads the forms that the date conditions of $filters know.
func parseMoment(s string) (m moment, ok bool) {
	p := dateText{s: s}
	if len(s) >= 10 && s[4] == '-' && s[7] == '-' {
		year, n, ok1 := p.number(4, 4)
		p.take('-')
		month, _, ok2 := p.number(2, 2)
		p.take('-')
		day, _, ok3 := p.number(2, 2)
		if !ok1 || !ok2 || !ok3 || n != 4 || p.at != 10 {
			return m, false
		}
		m = moment{days: daysFromCivil(year, month, day), hasDate: true, grain: unitDay}
		if y, mo, d := civil(m.days); month < 1 || month > 12 || y != year || mo != month || d != day {
			return m, false
		}
		if p.at == len(s) {
			return m, true
		}
		if !p.take('T') && !p.take(' ') {
			return m, false
		}
	}
	hour, _, ok1 := p.number(2, 2)
	if !ok1 || !p.take(':') {
		return m, false
	}
	minute, _, ok2 := p.number(2, 2)
	if !ok2 || hour > 23 || minute > 59 {
		return m, false
	}
	m.hasTime, m.grain = true, unitMinute
	m.seconds = int64(hour)*3600 + int64(minute)*60
	if p.take(':') {
		second, _, ok := p.number(2, 2)
		if !ok || second > 59 {
			return m, false
		}
		m.seconds += int64(second)
		m.grain = unitSecond
		if p.take('.') {
			if _, ok := p.fraction(); !ok {
				return m, false
			}
		}
	}
	if p.at < len(s) {
		if !m.hasDate {
			return m, false
		}
		zone, ok := p.zone()
		if !ok || p.at != len(s) {
			return m, false
		}
		at := m.days*86_400 + m.seconds - zone/1000
		m.days = floorDiv(at, 86_400)
		m.seconds = at - m.days*86_400
	}
	return m, true
}

// truncate returns a number that orders moments with the unit as the smallest difference.
func (m moment) truncate(u unit) int64 {
	switch u {
	case unitHour, unitMinute, unitSecond:
		size := int64(1)
		if u == unitHour {
			size = 3600
		} else if u == unitMinute {
			size = 60
		}
		return m.days*86_400 + m.seconds/size*size
	case unitDay:
		return m.days
	case unitWeek:
		return floorDiv(m.days+4, 7) // 1970-01-01 was a Thursday; weeks start on Sunday
	}
	year, month, _ := civil(m.days)
	switch u {
	case unitYear:
		return int64(year)
	case unitQuarter:
		return int64(year)*4 + int64(month-1)/3
	}
	return int64(year)*12 + int64(month-1)
}

// bound is a date to compare with, truncated once.
type bound struct {
	set  bool
	at   int64
	unit unit
	date bool // a date, with or without a time of day
}

// compare orders what a column holds against the bound; ok is false when they do not compare.
func (b *bound) compare(m moment) (c int, ok bool) {
	if b.date {
		if !m.hasDate {
			return 0, false
		}
	} else {
		if !m.hasTime {
			return 0, false
		}
		m.days = 0 // compare the clocks
	}
	at := m.truncate(b.unit)
	switch {
	case at < b.at:
		return -1, true
	case at > b.at:
		return 1, true
	}
	return 0, true
}

// dateOp is a date condition.
type dateOp uint8

const (
	dateIs dateOp = iota
	dateBefore
	dateAfter
	dateBetween
)

var dateOps = map[string]dateOp{
	"dateis": dateIs, "datebefore": dateBefore, "dateafter": dateAfter, "datebetween": dateBetween,
}

// filterDate is a date condition. datebetween has two bounds, the others use from.
type filterDate struct {
	op       dateOp
	from, to bound
}

func dateFilter(c *compiler, f filter) (node, error) {
	u, err := c.unit(f.member)
	if err != nil {
		return nil, err
	}
	n := &filterDate{op: dateOps[f.condition]}
	if n.op != dateBetween {
		if n.from, err = c.bound("value", f.value, u); err != nil || !n.from.set {
			return nil, err
		}
		return n, nil
	}
	ends := f.member
	if isSet(f.value) {
		if f.value.Kind() != document.Object {
			c.push("value")
			return nil, c.fail("the datebetween condition needs from and to")
		}
		if !isSet(ends.Field("from")) && !isSet(ends.Field("to")) {
			ends = f.value
			c.push("value")
			defer c.pop()
		}
	}
	if n.from, err = c.dateEnd("from", ends.Field("from"), u); err != nil {
		return nil, err
	}
	if n.to, err = c.dateEnd("to", ends.Field("to"), u); err != nil {
		return nil, err
	}
	if !n.from.set && !n.to.set {
		return nil, nil
	}
	return n, nil
}

// unit reads a member's unit, or an end's.
func (c *compiler) unit(v document.Value) (unit, error) {
	name := v.Field("unit")
	if !isSet(name) {
		return noUnit, nil
	}
	u, ok := units[strings.TrimSuffix(name.Str(), "s")]
	if !ok {
		c.push("unit")
		return noUnit, c.fail("Unknown unit %s", appendText(nil, name))
	}
	return u, nil
}

// dateEnd reads one end of datebetween: a date, or an object with a date and a unit.
func (c *compiler) dateEnd(name string, v document.Value, u unit) (bound, error) {
	if v.Kind() != document.Object {
		return c.bound(name, v, u)
	}
	c.push(name)
	own, err := c.unit(v)
	if err != nil {
		return bound{}, err
	}
	if own != noUnit {
		u = own
	}
	b, err := c.bound("value", v.Field("value"), u)
	if err != nil {
		return b, err
	}
	c.pop()
	return b, nil
}

// bound reads a date to compare with.
func (c *compiler) bound(name string, v document.Value, u unit) (bound, error) {
	if !isSet(v) {
		return bound{}, nil
	}
	m, ok := parseMoment(v.Str())
	if !ok {
		c.push(name)
		return bound{}, c.fail("a date must read YYYY-MM-DD, YYYY-MM-DD HH:mm or HH:mm")
	}
	if u == noUnit {
		u = m.grain
	}
	return bound{true, m.truncate(u), u, m.hasDate}, nil
}

func (n *filterDate) test(_ *Record, v document.Value, _ place) verdict {
	if v.Kind() != document.String {
		return no
	}
	m, ok := parseMoment(v.Str())
	if !ok {
		return no
	}
	if n.op == dateBetween {
		return verdictOf(n.within(m))
	}
	c, ok := n.from.compare(m)
	switch n.op {
	case dateBefore:
		return verdictOf(ok && c < 0)
	case dateAfter:
		return verdictOf(ok && c > 0)
	}
	return verdictOf(ok && c == 0)
}

func (n *filterDate) within(m moment) bool {
	if n.from.set {
		if c, ok := n.from.compare(m); !ok || c < 0 {
			return false
		}
	}
	if n.to.set {
		if c, ok := n.to.compare(m); !ok || c > 0 {
			return false
		}
	}
	return true
}
