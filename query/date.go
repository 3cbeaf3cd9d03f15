package query

import (
	"strings"
	"unicode/utf8"
)

const msPerDay = 86_400_000

// looksLikeDate reports whether a text holds, anywhere, three groups of digits with the same
// dash or dot between them, the middle one of two digits.
func looksLikeDate(s string) bool {
	for i := 2; i+5 < len(s); i++ {
		if c := s[i]; (c == '-' || c == '.') && s[i+3] == c &&
			isDigit(s[i-1]) && isDigit(s[i-2]) && isDigit(s[i+1]) && isDigit(s[i+2]) &&
			isDigit(s[i+4]) && isDigit(s[i+5]) {
			return true
		}
	}
	return false
}

// parseDate reads a whole text as a date, in milliseconds since 1970; without a zone it is in
// UTC. Words before the date that name no month, zone or half of the day are passed over.
func parseDate(s string) (ms float64, ok bool) {
	p := dateText{s: s}
	if !p.skipWords() {
		return 0, false
	}
	p.iso = isoForm(s)
	year, month, day, ok := p.date()
	if !ok {
		return 0, false
	}
	clock, zone, ok := p.clock()
	if !ok || p.at != len(p.s) {
		return 0, false
	}
	return float64((daysFromCivil(year, month, 1)+int64(day)-1)*msPerDay + clock - zone), true
}

// dateText is a text being read as a date.
type dateText struct {
	s   string
	at  int
	iso bool // a date YYYY-MM-DD alone, or with a T after it
}

// isoForm reports whether a text that holds a date is of the form YYYY-MM-DD, alone or with a
// T and a time after it. In this form alone 0050 is the year 50.
func isoForm(s string) bool {
	return len(s) >= 10 && isDigit(s[0]) && isDigit(s[1]) && s[4] == '-' && s[7] == '-' && (len(s) == 10 || s[10]|0x20 == 't')
}

// keywords are the words with a meaning of their own in front of a date, by three letters.
const keywords = " jan feb mar apr may jun jul aug sep oct nov dec am pm ut utc gmt z t " +
	"cdt cst edt est mdt mst pdt pst "

func (p *dateText) skipWords() bool {
	for p.at < len(p.s) {
		start := p.at
		for p.at < len(p.s) && isLetter(p.s[p.at]) {
			p.at++
		}
		if word := p.s[start:p.at]; word != "" {
			if len(word) > 3 {
				word = word[:3]
			}
			var room [5]byte
			key := append(room[:0], ' ')
			for i := range len(word) {
				key = append(key, word[i]|0x20)
			}
			if strings.Contains(keywords, string(append(key, ' '))) {
				return false
			}
			// A word directly before the digits would be part of them.
			if p.at < len(p.s) && p.s[p.at] != ' ' {
				return false
			}
		}
		if p.at == start {
			if p.s[p.at] != ' ' {
				return true
			}
			p.at++
		}
	}
	return false
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' || c >= utf8.RuneSelf }

// number reads between least and most digits.
func (p *dateText) number(least, most int) (v int, digits int, ok bool) {
	for p.at < len(p.s) && isDigit(p.s[p.at]) {
		if digits == most {
			return 0, 0, false
		}
		v = v*10 + int(p.s[p.at]-'0')
		digits++
		p.at++
	}
	return v, digits, digits >= least
}

// take reads one byte when it is c.
func (p *dateText) take(c byte) bool {
	if p.at < len(p.s) && p.s[p.at] == c {
		p.at++
		return true
	}
	return false
}

func (p *dateText) date() (year, month, day int, ok bool) {
	first, _, ok := p.number(2, 4)
	if !ok {
		return 0, 0, 0, false
	}
	sep := byte('-')
	if !p.take(sep) {
		sep = '.'
		if !p.take(sep) {
			return 0, 0, 0, false
		}
	}
	second, _, ok := p.number(2, 2)
	if !ok || !p.take(sep) {
		return 0, 0, 0, false
	}
	third, _, ok := p.number(2, 4)
	if !ok {
		return 0, 0, 0, false
	}
	switch {
	case p.iso:
		year, month, day = first, second, third
	case first > 31 || first == 0:
		year, month, day = shortYear(first), second, third
	default:
		month, day, year = first, second, shortYear(third)
	}
	return year, month, day, month >= 1 && month <= 12 && day >= 1 && day <= 31
}

// shortYear reads a year of two digits into 1950 to 2049.
func shortYear(y int) int {
	switch {
	case y < 50:
		return y + 2000
	case y < 100:
		return y + 1900
	}
	return y
}

// clock reads an optional time of day and an optional zone, both in milliseconds.
func (p *dateText) clock() (ms, zone int64, ok bool) {
	if p.takeZulu() || p.at == len(p.s) {
		return 0, 0, true
	}
	iso := p.iso
	if iso {
		p.at++
	} else {
		if !p.take(' ') {
			return 0, 0, false
		}
		p.skipSpaces()
		if p.at == len(p.s) {
			return 0, 0, true
		}
	}
	hour, n, ok := p.number(1, 2)
	if !ok || !p.take(':') || iso && n != 2 {
		return 0, 0, false
	}
	minute, n, ok := p.number(1, 2)
	if !ok || iso && n != 2 {
		return 0, 0, false
	}
	second, milli := 0, 0
	if p.take(':') {
		if second, n, ok = p.number(1, 2); !ok || iso && n != 2 {
			return 0, 0, false
		}
		if p.take('.') {
			if milli, ok = p.fraction(); !ok {
				return 0, 0, false
			}
		}
	}
	if iso {
		ok = true
	} else if hour, ok = p.half(hour); !ok {
		return 0, 0, false
	}
	if minute > 59 || second > 59 {
		return 0, 0, false
	}
	if hour > 23 && (hour > 24 || minute > 0 || second > 0 || milli > 0) {
		return 0, 0, false
	}
	zone, ok = p.zone()
	return int64(((hour*60+minute)*60+second)*1000 + milli), zone, ok
}

// fraction reads decimals of a second; what is beyond milliseconds is dropped.
func (p *dateText) fraction() (milli int, ok bool) {
	scale := 100
	for p.at < len(p.s) && isDigit(p.s[p.at]) {
		milli += scale * int(p.s[p.at]-'0')
		scale /= 10
		p.at++
		ok = true
	}
	return milli, ok
}

// half reads an optional AM or PM after blanks and returns the hour of the day.
func (p *dateText) half(hour int) (int, bool) {
	rest := p.s[p.at:]
	trimmed := strings.TrimLeft(rest, " ")
	if len(trimmed) == len(rest) || len(trimmed) < 2 || trimmed[1]|0x20 != 'm' {
		return hour, true
	}
	c := trimmed[0] | 0x20
	if c != 'a' && c != 'p' || len(trimmed) > 2 && trimmed[2] != ' ' {
		return hour, true
	}
	p.at += len(rest) - len(trimmed) + 2
	if hour > 12 {
		return 0, false
	}
	hour %= 12
	if c == 'p' {
		hour += 12
	}
	return hour, true
}

// zone reads an optional Z or offset.
func (p *dateText) zone() (ms int64, ok bool) {
	if !p.iso {
		p.skipSpaces()
	}
	if p.at == len(p.s) || p.takeZulu() {
		return 0, true
	}
	sign := int64(1)
	if !p.take('+') {
		if !p.take('-') {
			return 0, false
		}
		sign = -1
	}
	hour, n, ok := p.number(2, 4)
	if !ok {
		return 0, false
	}
	minute := 0
	switch {
	case n == 4:
		hour, minute = hour/100, hour%100
	case n != 2 || !p.take(':'):
		return 0, false
	default:
		if minute, _, ok = p.number(2, 2); !ok {
			return 0, false
		}
	}
	if hour > 23 || minute > 59 {
		return 0, false
	}
	return sign * int64(hour*60+minute) * 60_000, true
}

func (p *dateText) takeZulu() bool { return p.take('Z') || p.take('z') }

func (p *dateText) skipSpaces() {
	for p.take(' ') {
	}
}

// daysFromCivil returns the days from 1970-01-01 to a date of the Gregorian calendar.
func daysFromCivil(year, month, day int) int64 {
	y := int64(year)
	if month <= 2 {
		y--
	}
	era := floorDiv(y, 400)
	yearOfEra := y - era*400
	dayOfYear := int64((153*((month+9)%12)+2)/5 + day - 1)
	return era*146_097 + yearOfEra*365 + yearOfEra/4 - yearOfEra/100 + dayOfYear - 719_468
}

// civil is the inverse of daysFromCivil.
func civil(days int64) (year, month, day int) {
	days += 719_468
	era := floorDiv(days, 146_097)
	d := days - era*146_097
	yearOfEra := (d - d/1460 + d/36_524 - d/146_096) / 365
	dayOfYear := d - (365*yearOfEra + yearOfEra/4 - yearOfEra/100)
	m := (5*dayOfYear + 2) / 153
	day = int(dayOfYear - (153*m+2)/5 + 1)
	month = int(m) + 3
	if month > 12 {
		month -= 12
	}
	y := yearOfEra + era*400
	if month <= 2 {
		y++
	}
	return int(y), month, day
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
