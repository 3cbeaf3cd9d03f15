package aggregate

// Up to linear keys an object being built is searched without an index; a finished one has an
// index from indexed keys on.
const (
	linear  = 12
	indexed = 48
)

// object is a computed object. A field that is missing has been removed.
type object struct {
	keys  []string
	vals  []Value
	index map[string]int
	gone  int
}

func newObject(n int) *object {
	return &object{keys: make([]string, 0, n), vals: make([]Value, 0, n)}
}

func (o *object) size() int { return len(o.keys) - o.gone }

func (o *object) find(key string) int {
	if len(o.keys) <= linear {
		for i, k := range o.keys {
			if k == key {
				return i
			}
		}
		return -1
	}
	if o.index == nil {
		o.buildIndex()
	}
	if i, ok := o.index[key]; ok {
		return i
	}
	return -1
}

func (o *object) buildIndex() {
	o.index = make(map[string]int, len(o.keys)+1)
	for i, k := range o.keys {
		o.index[k] = i
	}
}

func (o *object) get(key string) Value {
	// A finished object is shared between goroutines, so reading builds no index.
	if o.index == nil {
		for i, k := range o.keys {
			if k == key {
				return o.vals[i]
			}
		}
		return Value{}
	}
	if i, ok := o.index[key]; ok {
		return o.vals[i]
	}
	return Value{}
}

// add appends a field whose key is known to be new.
func (o *object) add(key string, v Value) {
	if o.index != nil {
		o.index[key] = len(o.keys)
	}
	o.keys = append(o.keys, key)
	o.vals = append(o.vals, v)
	if v.kind == Missing {
		o.gone++
	}
}

// set sets a field in its place, or at the end. A missing value removes it.
func (o *object) set(key string, v Value) {
	i := o.find(key)
	if i < 0 {
		if v.kind != Missing {
			o.add(key, v)
		}
		return
	}
	if o.vals[i].kind == Missing {
		o.gone--
	}
	if v.kind == Missing {
		o.gone++
	}
	o.vals[i] = v
}
