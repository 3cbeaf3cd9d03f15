package aggregate

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

func dateToString(c *call, e *env, a []Value) Value {
	t, ok := c.moment(e, a[0])
	if !ok {
		if a[3].kind == Missing {
			return null
		}
		return a[3]
	}
	loc := c.zoneArg(e, a[2])
	if loc == nil {
		return null
	}
	format := "%Y-%m-%dT%H:%M:%S.%L"
	if loc == time.UTC {
		format += "Z"
	}
	switch a[1].kind {
	case Missing:
	case Null:
		return null
	case String:
		format = a[1].str
	default:
		return c.fail(e, "takes a text as format, not %s", typeName(a[1]))
	}
	if !e.spend(c.path, 4*len(format)) {
		return null
	}
	s, bad := formatDate(t.In(loc), format)
	if bad != "" {
		return c.fail(e, "knows no format specifier %q", bad)
	}
	return text(s)
}

// formatDate writes a time by a format; bad is a specifier that is not known.
func formatDate(t time.Time, format string) (s, bad string) {
	b := make([]byte, 0, 2*len(format))
	for i := 0; i < len(format); i++ {
		if format[i] != '%' {
			b = append(b, format[i])
			continue
		}
		if i++; i == len(format) {
			return "", "%"
		}
		_, isoWeek := t.ISOWeek()
		switch format[i] {
		case '%':
			b = append(b, '%')
		case 'Y':
			b = fmt.Appendf(b, "%04d", t.Year())
		case 'm':
			b = fmt.Appendf(b, "%02d", t.Month())
		case 'd':
			b = fmt.Appendf(b, "%02d", t.Day())
		case 'H':
			b = fmt.Appendf(b, "%02d", t.Hour())
		case 'M':
			b = fmt.Appendf(b, "%02d", t.Minute())
		case 'S':
			b = fmt.Appendf(b, "%02d", t.Second())
		case 'L':
			b = fmt.Appendf(b, "%03d", t.Nanosecond()/1e6)
		case 'j':
			b = fmt.Appendf(b, "%03d", t.YearDay())
		case 'w':
			b = strconv.AppendInt(b, int64(t.Weekday())+1, 10)
		case 'u':
			b = strconv.AppendInt(b, int64(isoWeekday(t)), 10)
		case 'U':
			b = fmt.Appendf(b, "%02d", weekOfYear(t))
		case 'V':
			b = fmt.Appendf(b, "%02d", isoWeek)
		case 'G':
			b = fmt.Appendf(b, "%04d", isoYearOf(t))
		case 'b':
			b = append(b, t.Month().String()[:3]...)
		case 'B':
			b = append(b, t.Month().String()...)
		case 'z':
			b = t.AppendFormat(b, "-0700")
		case 'Z':
			_, offset := t.Zone()
			b = fmt.Appendf(b, "%+d", offset/60)
		default:
			return "", "%" + strings.ToValidUTF8(format[i:i+1], "?")
		}
	}
	return string(b), ""
}

func dateFromString(c *call, e *env, a []Value) Value {
	if a[0].nullish() {
		if a[4].kind == Missing {
			return null
		}
		return a[4]
	}
	loc := c.zoneArg(e, a[2])
	if loc == nil {
		return null
	}
	switch {
	case a[1].kind == Null:
		return null
	case a[1].kind != Missing && a[1].kind != String:
		return c.fail(e, "takes a text as format, not %s", typeName(a[1]))
	}
	if a[0].kind == String {
		if ms, ok := readDate(a[0].str, a[1], loc, a[2].kind != Missing); ok {
			return dateOf(ms)
		}
	}
	if a[3].kind != Missing {
		return a[3]
	}
	return c.fail(e, "cannot read %s as a date", clip(string(a[0].AppendJSON(nil))))
}

// readDate reads a text by a format, or as ISO 8601. A zone must not be given twice.
func readDate(s string, format Value, loc *time.Location, zoned bool) (float64, bool) {
	if format.kind == Missing {
		ms, ok := parseISO(s)
		if !ok && len(s) > 0 {
			var offset time.Duration
			if offset, ok = letterZone(s[len(s)-1]); ok {
				ms, ok = parseISO(s[:len(s)-1])
				return ms - float64(offset.Milliseconds()), ok
			}
		}
		if !ok {
			return 0, false
		}
		if zoned && loc != time.UTC {
			t := time.UnixMilli(int64(ms)).UTC()
			y, m, d := t.Date()
			t = time.Date(y, m, d, t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), loc)
			ms = float64(t.UnixMilli())
		}
		return ms, true
	}
	return scanDate(s, format.str, loc)
}

// letterZone gives the offset of a military time zone.
func letterZone(c byte) (time.Duration, bool) {
	switch {
	case c >= 'A' && c <= 'I':
		return time.Duration(c-'A'+1) * time.Hour, true
	case c >= 'K' && c <= 'M':
		return time.Duration(c-'K'+10) * time.Hour, true
	case c >= 'N' && c <= 'Y':
		return -time.Duration(c-'N'+1) * time.Hour, true
	}
	return 0, false
}

// scanDate reads a text by a format.
func scanDate(s, format string, loc *time.Location) (float64, bool) {
	p := &scanner{s: s}
	year, month, day, hour, minute, second, ms := 1970, 1, 1, 0, 0, 0, 0
	isoYear, isoWeek, isoDay, yearDay := 0, 1, 1, 0
	for i := 0; i < len(format); i++ {
		if format[i] != '%' {
			if !p.take(format[i]) {
				return 0, false
			}
			continue
		}
		if i++; i == len(format) {
			return 0, false
		}
		ok := true
		switch format[i] {
		case '%':
			ok = p.take('%')
		case 'Y':
			year, ok = p.digits(4, 4)
		case 'G':
			isoYear, ok = p.digits(4, 4)
		case 'm':
			month, ok = p.digits(1, 2)
		case 'd':
			day, ok = p.digits(1, 2)
		case 'H':
			hour, ok = p.digits(1, 2)
		case 'M':
			minute, ok = p.digits(1, 2)
		case 'S':
			second, ok = p.digits(1, 2)
		case 'L':
			ms, ok = p.digits(1, 3)
		case 'j':
			yearDay, ok = p.digits(1, 3)
		case 'V':
			isoWeek, ok = p.digits(1, 2)
		case 'u':
			isoDay, ok = p.digits(1, 1)
		case 'b', 'B':
			month, ok = p.month()
		case 'z':
			var d time.Duration
			n := len(p.s)
			for j, r := range p.s {
				if !strings.ContainsRune("+-:0123456789Z", r) {
					n = j
					break
				}
			}
			if d, ok = parseOffset(p.s[:n]); ok {
				loc = time.FixedZone("", int(d/time.Second))
				p.s = p.s[n:]
			}
		default:
			return 0, false
		}
		if !ok {
			return 0, false
		}
	}
	if p.s != "" || month < 1 || month > 12 || day < 1 || day > daysIn(year, month) || hour > 23 || minute > 59 || second > 59 ||
		yearDay > 366 || isoWeek < 1 || isoWeek > 53 || isoDay < 1 || isoDay > 7 {
		return 0, false
	}
	switch {
	case isoYear != 0:
		fourth := time.Date(isoYear, 1, 4, 0, 0, 0, 0, time.UTC)
		year, month, day = isoYear, 1, 4-isoWeekday(fourth)+7*(isoWeek-1)+isoDay
	case yearDay != 0:
		month, day = 1, yearDay
	}
	return float64(time.Date(year, time.Month(month), day, hour, minute, second, ms*1e6, loc).UnixMilli()), true
}

// month reads the name of a month, or its first three letters.
func (p *scanner) month() (int, bool) {
	for m := time.January; m <= time.December; m++ {
		for _, name := range []string{m.String(), m.String()[:3]} {
			if len(p.s) >= len(name) && strings.EqualFold(p.s[:len(name)], name) {
				p.s = p.s[len(name):]
				return int(m), true
			}
		}
	}
	return 0, false
}
