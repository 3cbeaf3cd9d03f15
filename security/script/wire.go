package script

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
)

// The two processes speak in frames. A run is kindRun, kindStarted, any number of kindFind and
// kindAnswer in turn, and kindDone or kindFailed.
const (
	kindHello   = 'h' // worker: wireVersion
	kindRun     = 'r' // host: source, type, flags, user, entry, query as a JSON array, then each of its objects
	kindStarted = 's' // worker
	kindFind    = 'f' // worker: source, where, limit and offset as JSON
	kindAnswer  = 'a' // host: "1" and the entries, or "0" and what is wrong
	kindDone    = 'd' // worker: what was returned, then each object of query, empty if it is as it was
	kindFailed  = 'e' // worker: the class of the failure and its text
)

// Classes of failures.
const (
	failThrown = "thrown" // a syntax error, an exception, no memory, no stack
	failHangs  = "hangs"  // nothing is left that could settle the script's promise
)

// wireVersion changes with the frames, so that a worker of another build is noticed.
const wireVersion = "siftdb-script-1"

// workerEnv is the variable that makes a process a worker.
const workerEnv = "SIFTDB_SCRIPT_WORKER"

// maxFrame bounds a frame. Nothing that is sent comes near it.
const maxFrame = 4 * maxBytes

// errProtocol is the error of a frame that does not belong where it came.
var errProtocol = errors.New("the script's process said something odd")

// frame is one message.
type frame struct {
	kind  byte
	parts [][]byte
}

// frameOf makes a frame of texts.
func frameOf(kind byte, parts ...string) *frame {
	f := &frame{kind: kind}
	for _, p := range parts {
		f.parts = append(f.parts, []byte(p))
	}
	return f
}

// send writes a frame: its length, its kind, and its parts with theirs.
func send(w io.Writer, f *frame) error {
	b := []byte{0, 0, 0, 0, f.kind}
	for _, p := range f.parts {
		b = binary.AppendUvarint(b, uint64(len(p)))
		b = append(b, p...)
	}
	if len(b)-4 > maxFrame {
		return errors.New("the message is too large for the script's process")
	}
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	_, err := w.Write(b)
	return err
}

// receive reads a frame. It takes memory only for what has come.
func receive(r *bufio.Reader) (*frame, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n < 1 || n > maxFrame {
		return nil, errProtocol
	}
	b, err := io.ReadAll(io.LimitReader(r, int64(n)))
	if err != nil {
		return nil, err
	}
	if len(b) != int(n) {
		return nil, io.ErrUnexpectedEOF
	}
	f := &frame{kind: b[0]}
	for b = b[1:]; len(b) > 0; {
		size, used := binary.Uvarint(b)
		if used <= 0 || size > uint64(len(b)-used) {
			return nil, errProtocol
		}
		f.parts = append(f.parts, b[used:used+int(size)])
		b = b[used+int(size):]
	}
	return f, nil
}
