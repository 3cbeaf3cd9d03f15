package query

import (
	"strconv"
	"strings"

	"github.com/siftdb/siftdb/internal/document"
)

// countableOperators are those that a strict count supports.
var countableOperators = map[string]bool{
	"$eq": true, "$ne": true, "$gt": true, "$gte": true, "$lt": true, "$lte": true,
	"$in": true, "$nin": true, "$like": true, "$iLike": true, "$exists": true,
	"$and": true, "$or": true, "$not": true, "$nor": true, "$filters": true,
}

// checkCountable refuses, in an operand that compiled, what a strict count does not support.
// top says that keys address columns, not keys of a value.
func (c *compiler) checkCountable(v document.Value, top bool) error {
	if v.Kind() != document.Object {
		return nil
	}
	if !top && v.Len() == 0 {
		return c.fail("a strict count does not support an empty object as an operand")
	}
	for key, arg := range v.Fields() {
		if key == "$options" {
			continue
		}
		c.push(key)
		if err := c.checkCountableKey(key, arg, top); err != nil {
			return err
		}
		c.pop()
	}
	return nil
}

func (c *compiler) checkCountableKey(key string, arg document.Value, top bool) error {
	switch {
	case !strings.HasPrefix(key, "$"):
		if !top {
			return c.fail("a strict count does not support partial nested objects")
		}
		return c.checkCountable(arg, false)
	case !countableOperators[key]:
		return c.fail("a strict count does not support %s", key)
	}
	switch key {
	case "$not":
		return c.checkCountable(arg, top)
	case "$and", "$or", "$nor":
		return c.eachMember(arg, func(m document.Value) error { return c.checkCountable(m, top) })
	case "$in", "$nin":
		if arg.Kind() == document.Object {
			return c.fail("a strict count does not support operand objects inside %s", key)
		}
		return c.eachMember(arg, func(m document.Value) error {
			if m.Kind() == document.Object || m.Kind() == document.Array {
				return c.fail("a strict count supports only scalars inside %s", key)
			}
			return nil
		})
	case "$filters":
		return c.eachMember(arg, func(m document.Value) error {
			if m.Field("condition").Str() == "regex" {
				return c.fail("a strict count does not support the regex condition of $filters")
			}
			return nil
		})
	}
	return nil
}

func (c *compiler) eachMember(list document.Value, fn func(document.Value) error) error {
	for i := range list.Len() {
		c.push(strconv.Itoa(i))
		if err := fn(list.At(i)); err != nil {
			return err
		}
		c.pop()
	}
	return nil
}
