package aggregate

import (
	"math"
	"time"
)

var dateOperators = map[string]operator{
	"$dateAdd":        {named: "startDate unit amount timezone?", fn: dateAdd(1)},
	"$dateSubtract":   {named: "startDate unit amount timezone?", fn: dateAdd(-1)},
	"$dateDiff":       {named: "startDate endDate unit timezone? startOfWeek?", fn: dateDiff},
	"$dateTrunc":      {named: "date unit binSize? timezone? startOfWeek?", fn: dateTrunc},
	"$dateFromParts":  {named: "year? month? day? isoWeekYear? isoWeek? isoDayOfWeek? hour? minute? second? millisecond? timezone?", fn: dateFromParts},
	"$dateToParts":    {named: "date timezone? iso8601?", fn: dateToParts},
	"$dateToString":   {named: "date format? timezone? onNull?", fn: dateToString},
	"$dateFromString": {named: "dateString format? timezone? onError? onNull?", fn: dateFromString},
}

// unitMs are the units of a fixed length, in ms.
var unitMs = map[string]int64{"week": 7 * 86400e3, "day": 86400e3, "hour": 3600e3, "minute": 60e3, "second": 1e3, "millisecond": 1}

// unitMonths are the units that are so many months.
var unitMonths = map[string]int64{"year": 12, "quarter": 3, "month": 1}

// unit checks the name of a unit; at null it gives "".
func (c *call) unit(e *env, v Value) string {
	if v.nullish() {
		return ""
	}
	if v.kind != String || unitMs[v.str] == 0 && unitMonths[v.str] == 0 {
		c.fail(e, "knows no unit %s", clip(string(v.AppendJSON(nil))))
		return ""
	}
	return v.str
}

// startOfWeek reads the first day of the week, by default Sunday.
func (c *call) startOfWeek(e *env, v Value) (int, bool) {
	if v.kind == Missing {
		return 0, true
	}
	if v.kind == Null {
		return 0, false
	}
	d, ok := weekday(v.str)
	if v.kind != String || !ok {
		c.fail(e, "knows no weekday %s", clip(string(v.AppendJSON(nil))))
		return 0, false
	}
	return d, true
}

func dateAdd(sign int64) operatorFunc {
	return func(c *call, e *env, a []Value) Value {
		t, ok := c.moment(e, startDate(a[0]))
		unit := c.unit(e, a[1])
		loc := c.zoneArg(e, a[3])
		if !ok || unit == "" || loc == nil || a[2].nullish() {
			return null
		}
		n, ok := a[2].whole()
		if !ok {
			return c.fail(e, "takes a whole amount, not %s", clip(string(a[2].AppendJSON(nil))))
		}
		t, ok = shiftDate(t.In(loc), unit, sign*n)
		if !ok {
			return c.fail(e, "gives a date out of range")
		}
		return c.date(e, float64(t.UnixMilli()))
	}
}

// shiftDate adds n units to a time: from days on by the clock of its zone.
func shiftDate(t time.Time, unit string, n int64) (time.Time, bool) {
	length := unitMs[unit]
	if length == 0 {
		length = unitMonths[unit] * 28 * 86400e3
	}
	if math.Abs(float64(n))*float64(length) > 2*maxDate {
		return t, false
	}
	switch unit {
	case "year", "quarter", "month":
		return addMonths(t, int(n*unitMonths[unit])), true
	case "week":
		return t.AddDate(0, 0, int(7*n)), true
	case "day":
		return t.AddDate(0, 0, int(n)), true
	}
	return time.UnixMilli(t.UnixMilli() + n*length).In(t.Location()), true
}

func dateDiff(c *call, e *env, a []Value) Value {
	from, ok1 := c.moment(e, startDate(a[0]))
	to, ok2 := c.moment(e, a[1])
	unit := c.unit(e, a[2])
	loc := c.zoneArg(e, a[3])
	start, ok3 := c.startOfWeek(e, a[4])
	if !ok1 || !ok2 || !ok3 || unit == "" || loc == nil {
		return null
	}
	from, to = from.In(loc), to.In(loc)
	return number(float64(ordinal(to, unit, start) - ordinal(from, unit, start)))
}

// ordinal counts the boundaries of a unit up to a time, by the clock of its zone.
func ordinal(t time.Time, unit string, startOfWeek int) int64 {
	months := int64(t.Year())*12 + int64(t.Month()) - 1
	switch unit {
	case "year", "quarter", "month":
		return floorDiv(months, unitMonths[unit])
	case "week":
		return week(t, startOfWeek)
	case "day":
		return days(t)
	case "hour":
		_, offset := t.Zone()
		return floorDiv(t.Unix()+int64(offset), 3600)
	case "minute":
		return floorDiv(t.Unix(), 60)
	case "second":
		return t.Unix()
	}
	return t.UnixMilli()
}

func dateTrunc(c *call, e *env, a []Value) Value {
	t, ok := c.moment(e, a[0])
	unit := c.unit(e, a[1])
	loc := c.zoneArg(e, a[3])
	start, ok2 := c.startOfWeek(e, a[4])
	bin := int64(1)
	if a[2].kind != Missing && a[2].kind != Null {
		var ok3 bool
		if bin, ok3 = a[2].whole(); !ok3 || bin < 1 || bin > 1e11 {
			return c.fail(e, "takes a positive whole binSize, not %s", clip(string(a[2].AppendJSON(nil))))
		}
	}
	if !ok || !ok2 || unit == "" || loc == nil || a[2].kind == Null {
		return null
	}
	t = truncDate(t.In(loc), unit, bin, start)
	if y := t.Year(); y < -300_000 || y > 300_000 {
		return c.fail(e, "gives a date out of range")
	}
	return c.date(e, float64(t.UnixMilli()))
}

// truncDate gives the beginning of the bin of so many units, counted from 2000, that a time
// is in.
func truncDate(t time.Time, unit string, bin int64, startOfWeek int) time.Time {
	floor := func(n int64) int64 { return floorDiv(n, bin) * bin }
	switch unit {
	case "year", "quarter", "month":
		bin *= unitMonths[unit]
		months := floor(int64(t.Year()-2000)*12 + int64(t.Month()) - 1)
		return time.Date(2000, 1+time.Month(months), 1, 0, 0, 0, 0, t.Location())
	case "week", "day":
		const day2000 = 10957 // 2000-01-01, a Saturday
		reference := int64(day2000)
		if unit == "week" {
			reference += int64(startOfWeek+1) % 7
			bin *= 7
		}
		n := floor(days(t)-reference) + reference - day2000
		return time.Date(2000, 1, 1+int(n), 0, 0, 0, 0, t.Location())
	}
	reference := time.Date(2000, 1, 1, 0, 0, 0, 0, t.Location()).UnixMilli()
	bin *= unitMs[unit]
	return time.UnixMilli(floor(t.UnixMilli()-reference) + reference)
}

func dateFromParts(c *call, e *env, a []Value) Value {
	if a[3].kind != Missing && a[0].kind != Missing {
		return c.fail(e, "takes year or isoWeekYear, not both")
	}
	n := [10]int{0, 1, 1, 0, 1, 1, 0, 0, 0, 0}
	for i, v := range a[:10] {
		switch v.kind {
		case Missing:
			continue
		case Null:
			if likeReference && i < 3 {
				continue
			}
			return null
		}
		w, ok := v.whole()
		if !ok || w > math.MaxInt32 || w < math.MinInt32 {
			return c.fail(e, "takes whole numbers, not %s", clip(string(v.AppendJSON(nil))))
		}
		n[i] = int(w)
	}
	iso, ok := dateParts(&n, a)
	loc := c.zoneArg(e, a[10])
	if loc == nil || !ok {
		return null
	}
	if y := max(n[0], n[3]); y < 0 || y > 10000 {
		return c.fail(e, "takes a year from 0 to 9999, not %d", y)
	}
	var t time.Time
	if iso {
		fourth := time.Date(n[3], 1, 4, 0, 0, 0, 0, time.UTC) // always in week 1
		day := 4 - isoWeekday(fourth) + 7*(n[4]-1) + n[5]
		t = time.Date(n[3], 1, day, 0, 0, 0, 0, loc)
	} else {
		t = time.Date(n[0], time.Month(n[1]), n[2], 0, 0, 0, 0, loc)
	}
	ms := float64(n[6])*3600e3 + float64(n[7])*60e3 + float64(n[8])*1e3 + float64(n[9])
	if math.Abs(ms) < 9e9 {
		y, m, d := t.Date()
		t = time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Add(time.Duration(ms) * time.Millisecond)
		y, m, d = t.Date()
		t = time.Date(y, m, d, t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), loc)
		ms = 0
	}
	return c.date(e, float64(t.UnixMilli())+ms)
}

func dateToParts(c *call, e *env, a []Value) Value {
	t, ok := c.moment(e, a[0])
	loc := c.zoneArg(e, a[1])
	if !ok || loc == nil || a[2].kind == Null {
		return null
	}
	t = t.In(loc)
	o := newObject(7)
	put := func(name string, n int) { o.add(name, number(float64(n))) }
	if a[2].truth() {
		y, w := t.ISOWeek()
		put("isoWeekYear", y)
		put("isoWeek", w)
		put("isoDayOfWeek", isoWeekday(t))
	} else {
		put("year", t.Year())
		put("month", int(t.Month()))
		put("day", t.Day())
	}
	put("hour", t.Hour())
	put("minute", t.Minute())
	put("second", t.Second())
	put("millisecond", t.Nanosecond()/1e6)
	return objectOf(o)
}
