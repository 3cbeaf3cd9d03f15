package query

import (
	"bytes"
	"encoding/json"
)

// M is an object whose keys are in no particular order.
type M = map[string]any

// E is one key of a D.
type E struct {
	Key   string
	Value any
}

// D is an object that keeps its keys in order. Where a key is repeated the last one counts.
type D []E

// Len returns the number of keys.
func (d D) Len() int { return len(d) }

// At returns the i-th key and its value.
func (d D) At(i int) (key string, value any) { return d[i].Key, d[i].Value }

// MarshalJSON writes the object with its keys in order.
func (d D) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, e := range d {
		if i > 0 {
			b.WriteByte(',')
		}
		key, err := json.Marshal(e.Key)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(e.Value)
		if err != nil {
			return nil, err
		}
		b.Write(key)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}
