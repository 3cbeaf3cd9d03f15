//go:build (darwin && !ios && (amd64 || arm64)) || (freebsd && (amd64 || arm64)) || (linux && !android && (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x)) || (windows && (amd64 || arm64))

package script

import (
	"bufio"
	"cmp"
	_ "embed"
	"errors"
	"os"
	"os/signal"
	"runtime/debug"
	"strconv"
	"syscall"

	"modernc.org/quickjs"
)

// Supported reports whether there is an engine, and processes to run it in, for this platform.
const Supported = true

// prelude makes the world of a script; its value is the function that starts one.
//
//go:embed prelude.js
var prelude string

// maxDepth is how deep calls may go, in frames of the engine: a call in JavaScript takes one, one
// through a built-in function up to nine.
const maxDepth = 2000

// init makes this process a worker if it was started as one. It does not return then: nothing of
// the program runs.
func init() {
	if os.Getenv(workerEnv) == wireVersion {
		os.Exit(serve())
	}
}

// serve runs scripts until there is no more input, and returns the code to exit with.
func serve() int {
	os.Clearenv()
	// Signals that a terminal or a service manager sends to all are meant for the program, which
	// may want to end what it has begun.
	signal.Ignore(os.Interrupt, syscall.SIGTERM)
	debug.SetMemoryLimit(256 << 20)
	debug.SetGCPercent(50)
	limitProcess()
	frames := make(chan *frame)
	go func() {
		// Whatever a script does: when the program is gone, so is its worker.
		in := bufio.NewReader(os.Stdin)
		for {
			f, err := receive(in)
			if err != nil {
				os.Exit(0)
			}
			frames <- f
		}
	}()
	if send(os.Stdout, frameOf(kindHello, wireVersion)) != nil {
		return 1
	}
	code, err := compile()
	if err != nil {
		return 1
	}
	for f := range frames {
		if f.kind != kindRun || len(f.parts) < runParts || send(os.Stdout, frameOf(kindStarted)) != nil {
			return 1
		}
		w := world{code: code, frames: frames, given: f.parts[runParts:], out: frameOf(kindDone, "")}
		done, err := w.run(f)
		if err != nil {
			done = frameOf(kindFailed, failThrown, clip(err.Error()))
			if errors.Is(err, errHangs) {
				done = frameOf(kindFailed, failHangs, clip(err.Error()))
			}
		}
		if send(os.Stdout, done) != nil {
			return 1
		}
	}
	return 0
}

// compile compiles the prelude, in a runtime that no script comes near.
func compile() ([]byte, error) {
	vm, err := quickjs.NewVM()
	if err != nil {
		return nil, err
	}
	defer vm.Close()
	return vm.Compile(prelude, quickjs.EvalGlobal)
}

// errHangs is the error of a script that nothing can settle any more.
var errHangs = errors.New("it waits for something that cannot come")

// world is what one run sees of the host.
type world struct {
	code    []byte // the prelude
	frames  <-chan *frame
	given   [][]byte // the objects of query
	finds   int
	queue   []findCall
	bytes   int    // of what it left
	out     *frame // what to send
	settled bool   // whether out is all of it
	err     error  // why it did not grant
}

// findCall is a call of find that waits for its answer.
type findCall struct {
	id     float64
	source string
	where  string
	limit  string
	offset string
}

// run runs a script in a runtime of its own. The runtime is gone when it returns.
func (w *world) run(f *frame) (*frame, error) {
	vm, err := quickjs.NewVM()
	if err != nil {
		return nil, err
	}
	defer vm.Close()
	memory, err := strconv.ParseInt(string(f.parts[5]), 10, 64)
	if err != nil {
		return nil, err
	}
	vm.SetMemoryLimit(uintptr(memory))
	vm.SetMaxStackSize(maxDepth)
	vm.SetCanBlock(false)
	if err := w.parse(vm, string(f.parts[0])); err != nil {
		return nil, err
	}
	if err := w.register(vm); err != nil {
		return nil, err
	}
	start, err := vm.EvalBytecodeValue(w.code)
	if err != nil {
		return nil, err
	}
	defer start.Free()
	settle, err := start.CallValue(quickjs.UndefinedValue, string(f.parts[0]), string(f.parts[1]), string(f.parts[2]),
		string(f.parts[3]), string(f.parts[4]), string(array(w.given)))
	if err != nil {
		return nil, cmp.Or(w.err, err)
	}
	defer settle.Free()
	return w.drive(vm, settle)
}

// parse checks that a source is the body of a function. The engine itself would take one that
// ends the function and goes on with something else; no text does that to both of these.
func (w *world) parse(vm *quickjs.VM, source string) error {
	for _, around := range [][2]string{{"(async function () {", "\n})"}, {"({async f() {", "\n}})"}} {
		if _, err := vm.Compile(around[0]+source+around[1], quickjs.EvalGlobal); err != nil {
			return err
		}
	}
	return nil
}

// register gives the prelude its three functions, which it keeps for itself.
func (w *world) register(vm *quickjs.VM) error {
	return errors.Join(
		vm.RegisterHostFunc("$find", w.find),
		vm.RegisterHostFunc("$left", w.left),
		vm.RegisterHostFunc("$done", func(args []any) (any, error) {
			w.done(vm, args)
			return nil, nil
		}),
	)
}

// drive runs what a script has started until it has settled.
func (w *world) drive(vm *quickjs.VM, settle quickjs.Value) (*frame, error) {
	for {
		var failed error
		for {
			n, err := vm.ExecutePendingJobs()
			failed = errors.Join(failed, err)
			if n == 0 || w.settled || w.err != nil {
				break
			}
		}
		switch {
		case w.err != nil:
			return nil, w.err
		case w.settled:
			return w.out, nil
		case failed != nil:
			return nil, failed
		case len(w.queue) == 0:
			return nil, errHangs
		}
		c := w.queue[0]
		w.queue = w.queue[1:]
		if err := send(os.Stdout, frameOf(kindFind, c.source, c.where, c.limit, c.offset)); err != nil {
			return nil, err
		}
		a := <-w.frames
		if a.kind != kindAnswer || len(a.parts) != 2 {
			return nil, errProtocol
		}
		if _, err := settle.Call(quickjs.UndefinedValue, c.id, string(a.parts[0]) == "1", string(a.parts[1])); err != nil {
			return nil, err
		}
	}
}

// find is $find(id, source, where, limit, offset).
func (w *world) find(args []any) (any, error) {
	c := findCall{source: text(args, 1), where: text(args, 2), limit: text(args, 3), offset: text(args, 4)}
	switch id := args[0].(type) {
	case int:
		c.id = float64(id)
	case float64:
		c.id = id
	}
	if w.finds++; w.finds > maxFinds {
		return nil, errors.New("the script reads too often")
	}
	w.queue = append(w.queue, c)
	return nil, nil
}

// left is $left(object): the text of the next object of query.
func (w *world) left(args []any) (any, error) {
	i := len(w.out.parts) - 1
	if i >= len(w.given) {
		return nil, errProtocol
	}
	s := text(args, 0)
	if s == string(w.given[i]) {
		s = ""
	} else if w.bytes += len(s); s == "" || w.bytes > maxBytes {
		return nil, errors.New("the script left too much")
	}
	w.out.parts = append(w.out.parts, []byte(s))
	return nil, nil
}

// done is $done(returned) for what returned, and $done("", message) for what failed. It ends the
// run: jobs that are left do not run.
func (w *world) done(vm *quickjs.VM, args []any) {
	vm.Interrupt()
	s := text(args, 0)
	switch {
	case w.settled || w.err != nil:
	case len(args) > 1:
		w.err = errors.New(text(args, 1))
	case w.bytes+len(s) > maxBytes:
		w.err = errors.New("the script left too much")
	case len(w.out.parts) != 1+len(w.given):
		w.err = errProtocol
	default:
		w.out.parts[0] = []byte(s)
		w.settled = true
	}
}

// text is an argument that must be a string.
func text(args []any, i int) string {
	if i < len(args) {
		if s, ok := args[i].(string); ok {
			return s
		}
	}
	return ""
}
