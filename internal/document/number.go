package document

import (
	"encoding/binary"
	"math"
	"strconv"
)

// digits is what scanning a number's text tells about it.
type digits struct {
	end      int    // where the text ends
	mantissa uint64 // its digits as one integer, when there are at most 19
	count    int    // digits without leading zeros
	frac     int    // digits after the point
	negative bool
	point    bool
	exponent bool
}

// scanNumber reads a number by the grammar of RFC 8259 from text[at:]. It is false when there
// is none, and d.end is then the place of the first byte that does not fit.
func scanNumber(text []byte, at int) (d digits, ok bool) {
	i := at
	if i < len(text) && text[i] == '-' {
		d.negative = true
		i++
	}
	start := i
	for i < len(text) && text[i]-'0' <= 9 {
		d.mantissa = d.mantissa*10 + uint64(text[i]-'0')
		i++
	}
	switch {
	case i == start:
		d.end = i
		return d, false
	case text[start] != '0':
		d.count = i - start
	case i > start+1: // a leading zero
		d.end = start + 1
		return d, false
	}
	if i < len(text) && text[i] == '.' {
		d.point = true
		i++
		start = i
		for i < len(text) && text[i]-'0' <= 9 {
			d.mantissa = d.mantissa*10 + uint64(text[i]-'0')
			if d.count > 0 || text[i] != '0' {
				d.count++
			}
			i++
		}
		if d.frac = i - start; d.frac == 0 {
			d.end = i
			return d, false
		}
	}
	if i < len(text) && text[i]|0x20 == 'e' {
		d.exponent = true
		i++
		if i < len(text) && (text[i] == '+' || text[i] == '-') {
			i++
		}
		start = i
		for i < len(text) && text[i]-'0' <= 9 {
			i++
		}
		if i == start {
			d.end = i
			return d, false
		}
	}
	d.end = i
	return d, true
}

// isNumber reports whether a whole text is one JSON number.
func isNumber(s string) bool {
	d, ok := scanNumber(bytesOf(s), 0)
	return ok && d.end == len(s)
}

// pow10 holds the powers of ten that a double holds exactly and that are needed for up to
// 15 digits.
var pow10 = [...]float64{1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12,
	1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22}

// appendNumberText appends the stored form of the number whose text was scanned into d.
func appendNumberText(dst, num []byte, d *digits) []byte {
	if !d.exponent {
		if !d.point && d.count <= 16 && d.mantissa <= uint64(maxInt) && (d.mantissa != 0 || !d.negative) {
			v := int64(d.mantissa)
			if d.negative {
				v = -v
			}
			return appendInt(dst, v)
		}
		// Up to 15 digits survive the way to a double and back, so the text is the shortest
		// one if it is written as the shortest form would be; and two exact doubles divide
		// to the correctly rounded result.
		if d.point && d.count <= 15 && d.frac < len(pow10) && num[len(num)-1] != '0' {
			f := float64(d.mantissa) / pow10[d.frac]
			if f >= 1e-6 {
				if d.negative {
					f = -f
				}
				return appendDouble(append(dst, tagFloat), f)
			}
		}
	}
	f, _ := strconv.ParseFloat(text(num), 64) // out of range gives the infinity wanted here
	if f != 0 && !math.IsInf(f, 0) {
		var room [32]byte
		if string(appendFloat(room[:0], f)) == string(num) {
			return appendDouble(append(dst, tagFloat), f)
		}
	}
	dst = appendDouble(append(dst, tagNumber), f)
	return append(dst, num...)
}

// appendFloat64 appends the stored form of a finite double.
func appendFloat64(dst []byte, f float64) []byte {
	if i := int64(f); float64(i) == f && i >= -maxInt && i <= maxInt {
		if i == 0 && math.Signbit(f) {
			return append(appendDouble(append(dst, tagNumber), f), "-0"...)
		}
		return appendInt(dst, i)
	}
	return appendDouble(append(dst, tagFloat), f)
}

// appendInt appends the stored form of an integer of at most 2^53 either way.
func appendInt(dst []byte, v int64) []byte {
	dst = append(dst, tagInt)
	if v == 0 {
		return dst
	}
	for {
		dst = append(dst, byte(v))
		if v>>7 == 0 || v>>7 == -1 {
			return dst
		}
		v >>= 8
	}
}

// readInt reads the payload of an integer; of more than 8 bytes the first 8 count.
func readInt(p []byte) int64 {
	switch len(p) {
	case 0:
		return 0
	case 1:
		return int64(int8(p[0]))
	case 2:
		return int64(int16(binary.LittleEndian.Uint16(p)))
	case 4:
		return int64(int32(binary.LittleEndian.Uint32(p)))
	}
	if len(p) >= 8 {
		return int64(binary.LittleEndian.Uint64(p))
	}
	v := int64(int8(p[len(p)-1]))
	for i := len(p) - 2; i >= 0; i-- {
		v = v<<8 | int64(p[i])
	}
	return v
}

func appendDouble(dst []byte, f float64) []byte {
	return binary.LittleEndian.AppendUint64(dst, math.Float64bits(f))
}

// appendFloat appends the JSON text of a double: the shortest digits that read back as the
// same double, written as JavaScript and encoding/json write them. A negative zero keeps its
// sign; what is not finite has no JSON text and becomes null, as in JavaScript.
func appendFloat(dst []byte, f float64) []byte {
	abs := math.Abs(f)
	switch {
	case abs < 1e15 && math.Trunc(f) == f && (f != 0 || !math.Signbit(f)):
		return strconv.AppendInt(dst, int64(f), 10)
	case math.IsNaN(f) || math.IsInf(f, 0):
		return append(dst, "null"...)
	case abs == 0 || abs >= 1e-6 && abs < 1e21:
		return strconv.AppendFloat(dst, f, 'f', -1, 64)
	}
	dst = strconv.AppendFloat(dst, f, 'e', -1, 64)
	if n := len(dst); n >= 4 && dst[n-4] == 'e' && dst[n-3] == '-' && dst[n-2] == '0' {
		dst[n-2] = dst[n-1]
		dst = dst[:n-1]
	}
	return dst
}

// sameDecimal reports whether a number's text and the shortest text of the double it was
// read as are the same decimal value.
func sameDecimal(num string, f float64) bool {
	if math.IsInf(f, 0) || math.IsNaN(f) {
		return false
	}
	var room [32]byte
	a, b := decimalOf(bytesOf(num)), decimalOf(appendFloat(room[:0], f))
	for a.next() {
		if !b.next() || a.digit != b.digit {
			return false
		}
	}
	return !b.next() && (a.zero() || a.exp == b.exp)
}

// decimal yields the digits of a number's text between its first and last one that is not 0.
type decimal struct {
	text  []byte // what is left of the mantissa
	exp   int64  // the power of ten of the first digit
	digit byte
	first []byte
}

func decimalOf(num []byte) decimal {
	mantissa, exp := num, int64(0)
	for i, c := range num {
		if c|0x20 == 'e' {
			mantissa = num[:i]
			exp = parseExponent(num[i+1:])
			break
		}
	}
	if len(mantissa) > 0 && mantissa[0] == '-' {
		mantissa = mantissa[1:]
	}
	before := int64(len(mantissa)) // digits before the point
	for i, c := range mantissa {
		if c == '.' {
			before = int64(i)
			break
		}
	}
	for len(mantissa) > 0 && (mantissa[0] == '0' || mantissa[0] == '.') {
		if mantissa[0] == '0' {
			before--
		}
		mantissa = mantissa[1:]
	}
	for len(mantissa) > 0 && (mantissa[len(mantissa)-1] == '0' || mantissa[len(mantissa)-1] == '.') {
		mantissa = mantissa[:len(mantissa)-1]
	}
	return decimal{text: mantissa, first: mantissa, exp: exp + before}
}

func (d *decimal) zero() bool { return len(d.first) == 0 }

func (d *decimal) next() bool {
	for len(d.text) > 0 {
		d.digit = d.text[0]
		d.text = d.text[1:]
		if d.digit != '.' {
			return true
		}
	}
	return false
}

// parseExponent reads an exponent and stops counting where no text can be long enough to
// make up for it.
func parseExponent(s []byte) int64 {
	const enough = int64(1) << 50
	negative := false
	if len(s) > 0 && (s[0] == '+' || s[0] == '-') {
		negative = s[0] == '-'
		s = s[1:]
	}
	var v int64
	for _, c := range s {
		if v = v*10 + int64(c-'0'); v > enough {
			v = enough
		}
	}
	if negative {
		return -v
	}
	return v
}
