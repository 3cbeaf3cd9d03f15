package document

// shareBytes is up to what length an array or object is copied as a whole to become Go data, the
// texts in it pointing into the copy. Of larger ones each text is a copy of its own, so that one
// that is kept does not keep all.
const shareBytes = 4 << 10

// goMaker makes Go data of one value.
type goMaker struct {
	shared bool // texts point into a copy of the value that nobody else has
}
