package document

import (
	"encoding/binary"
	"math"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The form of ordered keys. Files hold them, so it never changes. A key is one byte for the
// class (0x10 number, 0x20 string, 0x30 object, 0x40 array, 0x50 false, 0x51 true, 0x60 null
// or absent) and
//
//	number  8 bytes, big-endian: the double's bits, all flipped if it is negative, else with
//	        the sign flipped; -0 is 0
//	string  the folded text in UTF-8, ended; then its capitals
//	array   the keys of its items, 0x00
//	object  for each field by name: 0x01, the name ended, the key of the value; 0x00
//
// An ended text has every 0x00 written as 0x00 0xFF and 0x00 0x01 behind it.
//
// The capitals tell apart texts that fold to the same one. For each code point that is not its
// own folding there is one mark, in order, then 0x80. A mark counts the code points skipped
// since the last one: 0x01 + count where the code point is less than its folding, 0xFF - count
// where it is greater, so that the earlier difference wins either way; a count from 0x7B on is
// 0x7C (0x84 the other way) and 4 bytes, flipped the other way. Where more than two code points
// share a folding the mark is followed by a byte, the code point's rank among them.
const (
	keyEnd      = 0x00
	keyField    = 0x01
	capitalsEnd = 0x80
	lessMark    = 0x01
	lessFar     = 0x7C
	greaterMark = 0xFF
	greaterFar  = 0x84
	markCounts  = lessFar - lessMark // counts below this stand in the mark itself
)

// AppendKey appends a key whose byte order is Compare's order: of two values the keys compare
// by bytes as the values do, and are the same where Compare gives 0. No key is the beginning
// of another, so keys can follow each other, and InvertKey turns the order around. It allocates
// only when dst grows, and for objects of more than 16 fields.
func AppendKey(dst []byte, v Value) []byte { return appendKey(dst, v, 0) }

// InvertKey turns a key into one that sorts the other way, in place. Inverting twice gives the
// key back.
func InvertKey(key []byte) {
	for i := range key {
		key[i] = ^key[i]
	}
}

func appendKey(dst []byte, v Value, depth int) []byte {
	kind := v.Kind()
	class := classes[kind]
	switch kind {
	case Bool:
		return append(dst, class+b2i(v.Bool()))
	case Number:
		return AppendNumberKey(dst, v.Float())
	case String:
		return AppendStringKey(dst, v.Str())
	case Array:
		dst = append(dst, class)
		if depth > deepest {
			return append(dst, keyEnd)
		}
		for it := itemsOf(v); ; {
			e, ok := it.next()
			if !ok {
				return append(dst, keyEnd)
			}
			dst = appendKey(dst, e, depth+1)
		}
	case Object:
		dst = append(dst, class)
		if depth > deepest {
			return append(dst, keyEnd)
		}
		var room [fewFields]field
		for _, f := range sortedFields(v, room[:0]) {
			dst = appendEnded(append(dst, keyField), f.name)
			dst = appendKey(dst, f.value, depth+1)
		}
		return append(dst, keyEnd)
	}
	return append(dst, class)
}

// AppendNumberKey appends the key of a number, as AppendKey does.
func AppendNumberKey(dst []byte, f float64) []byte {
	return binary.BigEndian.AppendUint64(append(dst, classNumber), orderedBits(f))
}

// orderedBits returns a double's bits in an order like the numbers'. What is not a number,
// which only damaged bytes hold, comes first, as in cmp.Compare.
func orderedBits(f float64) uint64 {
	if math.IsNaN(f) {
		return 0
	}
	b := math.Float64bits(f)
	if f == 0 {
		b = 0 // of negative zero as well
	}
	return b ^ (uint64(int64(b)>>63) | 1<<63)
}

// AppendStringKey appends the key of a string, as AppendKey does.
func AppendStringKey(dst []byte, s string) []byte {
	dst = append(dst, classString)
	marks := false
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			f := foldASCII[c]
			marks = marks || f != c
			if dst = append(dst, f); c == 0 {
				dst = append(dst, 0xFF)
			}
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		f := Fold(r)
		marks = marks || f != r
		dst = utf8.AppendRune(dst, f)
		i += n
	}
	dst = append(dst, 0x00, 0x01)
	if marks {
		dst = appendCapitals(dst, s)
	}
	return append(dst, capitalsEnd)
}

// appendCapitals appends the marks of the code points that are not their own folding.
func appendCapitals(dst []byte, s string) []byte {
	skipped := 0
	for _, r := range s {
		f := Fold(r)
		if r == f {
			skipped++
			continue
		}
		switch far := uint32(min(uint64(skipped), math.MaxUint32)); {
		case r < f && skipped < markCounts:
			dst = append(dst, lessMark+byte(skipped))
		case r < f:
			dst = binary.BigEndian.AppendUint32(append(dst, lessFar), far)
		case skipped < markCounts:
			dst = append(dst, greaterMark-byte(skipped))
		default:
			dst = binary.BigEndian.AppendUint32(append(dst, greaterFar), ^far)
		}
		if rank, members := rankInFold(r); members > 2 {
			dst = append(dst, rank)
		}
		skipped = 0
	}
	return dst
}

// rankInFold returns a code point's place among those with its folding, and how many they are.
func rankInFold(r rune) (rank byte, members int) {
	members = 1
	for o := unicode.SimpleFold(r); o != r; o = unicode.SimpleFold(o) {
		members++
		if o < r {
			rank++
		}
	}
	return rank, members
}

// appendEnded appends a text so that the bytes order as the text does, followed by its end.
func appendEnded(dst []byte, s string) []byte {
	for {
		i := strings.IndexByte(s, 0)
		if i < 0 {
			break
		}
		dst = append(append(dst, s[:i+1]...), 0xFF)
		s = s[i+1:]
	}
	return append(append(dst, s...), 0x00, 0x01)
}

// CanonicalKey appends bytes that are the same for two values exactly where Equal is true, for
// sets of distinct values. They have no useful order. No key is the beginning of another.
func CanonicalKey(dst []byte, v Value) []byte { return canonicalKey(dst, v, 0) }

func canonicalKey(dst []byte, v Value, depth int) []byte {
	kind := v.Kind()
	dst = append(dst, byte(kind))
	switch kind {
	case Bool:
		return append(dst, b2i(v.Bool()))
	case Number:
		return binary.BigEndian.AppendUint64(dst, orderedBits(v.Float()))
	case String:
		s := v.Str()
		return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
	case Array:
		if depth <= deepest {
			for it := itemsOf(v); ; {
				e, ok := it.next()
				if !ok {
					break
				}
				dst = canonicalKey(append(dst, keyField), e, depth+1)
			}
		}
		return append(dst, keyEnd)
	case Object:
		if depth <= deepest {
			var room [fewFields]field
			for _, f := range sortedFields(v, room[:0]) {
				dst = binary.AppendUvarint(append(dst, keyField), uint64(len(f.name)))
				dst = canonicalKey(append(dst, f.name...), f.value, depth+1)
			}
		}
		return append(dst, keyEnd)
	}
	return dst
}

// NumberOfKey returns the number that a key of AppendKey is of; ok is false for other keys.
func NumberOfKey(key []byte) (f float64, ok bool) {
	if len(key) != 9 || key[0] != classNumber {
		return 0, false
	}
	b := binary.BigEndian.Uint64(key[1:])
	if b>>63 != 0 {
		return math.Float64frombits(b &^ (1 << 63)), true
	}
	return math.Float64frombits(^b), true
}
