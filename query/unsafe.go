package query

import "unsafe"

// bytesOf returns a string's bytes without copying; they must not be changed.
func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

// stringOf returns bytes as a string without copying; it lives as long as they do.
func stringOf(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
