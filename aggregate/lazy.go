package aggregate

// Lazy is an object whose fields are made when they are asked for, such as an entry of which a
// pipeline reads one column. Its methods answer the same every time, and may be called by
// several goroutines when the object is given to several runs. The keys are distinct.
type Lazy interface {
	// Len is the number of fields.
	Len() int
	// Key gives the key of a field by its place, from 0 to Len()-1.
	Key(i int) string
	// Field gives a field by its key, or a missing Value where there is no such key.
	Field(key string) Value
}

// LazyObject returns a view of l as a Value of the kind Object, valid as long as l and what l
// gives. weight is how many bytes l keeps in memory: a stage that holds the object ($sort,
// $group) counts them against Limits.Memory, and what it keeps of the object's parts it copies,
// so that a small part does not keep the whole in memory. With weight 0 the object counts as
// owned by the caller, and its parts are kept as views of it.
func LazyObject(l Lazy, weight int) Value {
	return Value{kind: Object, form: lazyForm, ref: l, num: float64(max(weight, 0))}
}

// lazyFields yields the fields of l in order.
func lazyFields(l Lazy, yield func(string, Value) bool) {
	for i := range l.Len() {
		k := l.Key(i)
		if f := l.Field(k); f.kind != Missing && !yield(k, f) {
			return
		}
	}
}
