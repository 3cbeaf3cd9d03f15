package document

import "reflect"

// goTexts puts the texts of Go data into interfaces, several at a time: a piece of memory for each
// is most of what there is to allocate. The interfaces are those of the elements of an array in an
// interface. Nobody can change that, so package reflect gives them away without a copy.
type goTexts struct {
	n     int
	texts [textsAtOnce]string
	to    [textsAtOnce]goPlace
}

// textsAtOnce is how many texts share a piece of memory at most: whoever keeps one keeps that.
const textsAtOnce = 8

// goPlace is where a text goes: into a map under a name, or else into a list.
type goPlace struct {
	m    map[string]any
	name string
	item *any
}

func (t *goTexts) field(m map[string]any, name, text string) {
	if t.n == textsAtOnce {
		t.flush()
	}
	t.texts[t.n], t.to[t.n] = text, goPlace{m: m, name: name}
	t.n++
}

func (t *goTexts) item(to *any, text string) {
	if t.n == textsAtOnce {
		t.flush()
	}
	t.texts[t.n], t.to[t.n] = text, goPlace{item: to}
	t.n++
}

// flush puts the texts that are waiting where they belong.
func (t *goTexts) flush() {
	var all reflect.Value
	switch {
	case t.n == 1:
		t.to[0].put(t.texts[0])
		t.n = 0
		return
	case t.n <= 2:
		all = reflect.ValueOf([2]string(t.texts[:2]))
	case t.n <= 4:
		all = reflect.ValueOf([4]string(t.texts[:4]))
	default:
		clear(t.texts[t.n:])
		all = reflect.ValueOf(t.texts)
	}
	for i := range t.n {
		t.to[i].put(all.Index(i).Interface())
	}
	t.n = 0
}

func (p *goPlace) put(v any) {
	if p.item != nil {
		*p.item = v
		return
	}
	p.m[p.name] = v
}
