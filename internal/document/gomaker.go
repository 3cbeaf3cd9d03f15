package document

import "unsafe"

// shareBytes is up to what length an array or object is copied as a whole to become Go data, the
// texts in it pointing into the copy. Of larger ones each text is a copy of its own, so that one
// that is kept does not keep all.
const shareBytes = 4 << 10

// goMaker makes Go data of one value. An interface points to the text or number that it holds,
// which costs an allocation each; what comes of a shared copy points into a few lists instead.
type goMaker struct {
	shared bool // texts point into a copy of the value that nobody else has
	texts  []string
	floats []float64
}

// someMore bounds by how much a list is longer than what is needed at once.
const someMore = 16

// text returns a text that lies in the shared copy; more is how many others there may be.
func (g *goMaker) text(s string, more int) any {
	if len(g.texts) == 0 {
		g.texts = make([]string, 1+min(more, someMore))
	}
	p := &g.texts[0]
	g.texts = g.texts[1:]
	*p = s
	return pointing(textKind, unsafe.Pointer(p))
}

// float is text for a number.
func (g *goMaker) float(f float64, more int) any {
	if len(g.floats) == 0 {
		g.floats = make([]float64, 1+min(more, someMore/4))
	}
	p := &g.floats[0]
	g.floats = g.floats[1:]
	*p = f
	return pointing(floatKind, unsafe.Pointer(p))
}

// face is how an interface without methods lies in memory: a word for its type, and a pointer
// to what it holds, which nobody changes from then on. TestGoDataHeld fails where it is not so.
type face struct{ kind, data unsafe.Pointer }

func kindOfAny(v any) unsafe.Pointer { return (*face)(unsafe.Pointer(&v)).kind }

var textKind, floatKind = kindOfAny(""), kindOfAny(0.0)

// pointing returns an interface that points to what it holds.
func pointing(kind, data unsafe.Pointer) (v any) {
	*(*face)(unsafe.Pointer(&v)) = face{kind, data}
	return v
}
