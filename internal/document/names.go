package document

import "strings"

// MaxNames is the most names a dictionary numbers. Names beyond it stand in the documents.
const MaxNames = 4096

// Names is the dictionary of one data source's top-level names, in which position is number.
// It is immutable, so it may be shared freely between goroutines. A nil *Names is an empty
// dictionary.
type Names struct {
	list  []string
	index map[string]uint16
}

// NewNames makes a dictionary that numbers the names from 0 in the order given. It keeps
// copies. Of a name given twice the first number counts; names beyond MaxNames are left out.
func NewNames(names []string) *Names {
	return (*Names)(nil).Extend(names)
}

// Len returns how many names there are.
func (n *Names) Len() int {
	if n == nil {
		return 0
	}
	return len(n.list)
}

// Name returns the name with a number, or "" when there is none.
func (n *Names) Name(col uint16) string {
	if n == nil || int(col) >= len(n.list) {
		return ""
	}
	return n.list[col]
}

// Lookup returns the number of a name. It allocates nothing.
func (n *Names) Lookup(name string) (col uint16, ok bool) {
	if n == nil {
		return 0, false
	}
	col, ok = n.index[name]
	return col, ok
}

// Extend returns a dictionary in which the names of n keep their numbers and more follow.
// It keeps copies of the new names and leaves n as it is.
func (n *Names) Extend(more []string) *Names {
	if n != nil && len(more) == 0 {
		return n
	}
	size := min(n.Len()+len(more), MaxNames)
	x := &Names{
		list:  make([]string, n.Len(), size),
		index: make(map[string]uint16, size),
	}
	if n != nil {
		copy(x.list, n.list)
		for name, col := range n.index {
			x.index[name] = col
		}
	}
	for _, name := range more {
		if len(x.list) == MaxNames {
			break
		}
		name = strings.Clone(name)
		if _, ok := x.index[name]; !ok {
			x.index[name] = uint16(len(x.list))
		}
		x.list = append(x.list, name)
	}
	return x
}
