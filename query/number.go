package query

import (
	"math"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf8"
)

// toNumber reads a text as JavaScript's Number does; ok is false for what gives NaN.
func toNumber(s string) (f float64, ok bool) {
	s = trimSpace(s)
	if s == "" {
		return 0, true
	}
	if len(s) > 2 && s[0] == '0' {
		switch s[1] | 0x20 {
		case 'x':
			return toInteger(s[2:], 16)
		case 'o':
			return toInteger(s[2:], 8)
		case 'b':
			return toInteger(s[2:], 2)
		}
	}
	n := decimalPrefix(s)
	if n == len(s) {
		return readDecimal(s)
	}
	switch s {
	case "Infinity", "+Infinity":
		return math.Inf(1), true
	case "-Infinity":
		return math.Inf(-1), true
	}
	return 0, false
}

// toInteger reads digits of a base without a sign.
func toInteger(digits string, base int) (float64, bool) {
	u, err := strconv.ParseUint(digits, base, 64)
	if err == nil {
		return float64(u), true
	}
	for i := range len(digits) {
		if _, err := strconv.ParseUint(digits[i:i+1], base, 8); err != nil {
			return 0, false
		}
	}
	n, ok := new(big.Int).SetString(strings.Clone(digits), base)
	if !ok {
		return 0, false
	}
	f, _ := new(big.Float).SetInt(n).Float64()
	return f, true
}

// decimalPrefix returns the length of the longest decimal number that s starts with: an
// optional sign, digits with an optional point before, among or after them, and an optional
// exponent. It is 0 when there is none.
func decimalPrefix[T string | []byte](s T) int {
	i := 0
	if i < len(s) && (s[i] == '-' || s[i] == '+') {
		i++
	}
	start := i
	for i < len(s) && isDigit(s[i]) {
		i++
	}
	digits := i - start
	if i < len(s) && s[i] == '.' {
		j := i + 1
		for j < len(s) && isDigit(s[j]) {
			j++
		}
		if frac := j - i - 1; frac > 0 || digits > 0 {
			digits += frac
			i = j
		}
	}
	if digits == 0 {
		return 0
	}
	if i < len(s) && s[i]|0x20 == 'e' {
		j := i + 1
		if j < len(s) && (s[j] == '-' || s[j] == '+') {
			j++
		}
		if j < len(s) && isDigit(s[j]) {
			for j < len(s) && isDigit(s[j]) {
				j++
			}
			i = j
		}
	}
	return i
}

// readDecimal reads what decimalPrefix found. A number beyond the doubles is infinite.
func readDecimal(s string) (float64, bool) {
	if f, ok := readSmall(s); ok {
		return f, true
	}
	f, _ := strconv.ParseFloat(s, 64)
	return f, true
}

// readSmall reads an integer of up to 15 digits.
func readSmall(s string) (float64, bool) {
	i, negative := 0, false
	if len(s) > 0 && (s[0] == '-' || s[0] == '+') {
		i, negative = 1, s[0] == '-'
	}
	if n := len(s) - i; n == 0 || n > 15 {
		return 0, false
	}
	v := int64(0)
	for ; i < len(s); i++ {
		if !isDigit(s[i]) {
			return 0, false
		}
		v = v*10 + int64(s[i]-'0')
	}
	if negative {
		return -float64(v), true
	}
	return float64(v), true
}

func isDigit(c byte) bool { return c-'0' <= 9 }

// trimSpace removes what JavaScript calls white space from both ends.
func trimSpace(s string) string {
	if len(s) == 0 || s[0] > ' ' && s[0] < utf8.RuneSelf && s[len(s)-1] > ' ' && s[len(s)-1] < utf8.RuneSelf {
		return s
	}
	return strings.TrimFunc(s, isSpace)
}

func isSpace(r rune) bool {
	switch {
	case r >= '\t' && r <= '\r', r == ' ', r == 0xA0, r == 0xFEFF, r == 0x1680,
		r >= 0x2000 && r <= 0x200A, r == 0x2028, r == 0x2029, r == 0x202F, r == 0x205F, r == 0x3000:
		return true
	}
	return false
}

// appendNumber appends a number's shortest text, in JavaScript's form.
func appendNumber(dst []byte, f float64) []byte {
	switch {
	case f == 0:
		return append(dst, '0')
	case f == math.Trunc(f) && math.Abs(f) < 1e15:
		return strconv.AppendInt(dst, int64(f), 10)
	case math.IsInf(f, 1):
		return append(dst, "Infinity"...)
	case math.IsInf(f, -1):
		return append(dst, "-Infinity"...)
	case f != f:
		return append(dst, "NaN"...)
	}
	if a := math.Abs(f); a >= 1e-6 && a < 1e21 {
		return strconv.AppendFloat(dst, f, 'f', -1, 64)
	}
	at := len(dst)
	dst = strconv.AppendFloat(dst, f, 'e', -1, 64)
	// Go writes e-07, JavaScript e-7.
	for i := at; i < len(dst); i++ {
		if dst[i] == 'e' && i+2 < len(dst) && dst[i+2] == '0' && len(dst) == i+4 {
			dst = append(dst[:i+2], dst[i+3:]...)
		}
	}
	return dst
}

// comparableText is the number that ordering sees in a text: the time of a date, else the
// decimal number at the start once the first run of other characters is gone.
func comparableText(s string) (float64, bool) {
	if f, ok := readSmall(s); ok && s[0] != '+' {
		return f, true
	}
	if looksLikeDate(s) {
		return parseDate(s)
	}
	from := 0
	for from < len(s) && isNumeric(s[from]) {
		from++
	}
	if from == len(s) {
		return readPrefix(s)
	}
	to := from + 1
	for to < len(s) && !isNumeric(s[to]) {
		to++
	}
	if from == 0 {
		return readPrefix(s[to:])
	}
	if to == len(s) {
		return readPrefix(s[:from])
	}
	var room [64]byte
	joined := append(append(room[:0], s[:from]...), s[to:]...)
	n := decimalPrefix(joined)
	if n == 0 {
		return 0, false
	}
	return readDecimal(string(joined[:n]))
}

func readPrefix(s string) (float64, bool) {
	n := decimalPrefix(s)
	if n == 0 {
		return 0, false
	}
	return readDecimal(s[:n])
}

func isNumeric(c byte) bool { return isDigit(c) || c == ',' || c == '.' || c == '-' }
