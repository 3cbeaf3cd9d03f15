// Package script runs the scripts of access rules (spec 11.7): each is the body of an async
// JavaScript function that may grant. Only programs that import this package link the engine.
//
//	runner := script.New(script.Options{})
//	defer runner.Close()
//	grant, err := policy.Decide(ctx, who, request, runner)
//
// # Where scripts run
//
// The engine is QuickJS, as modernc.org/quickjs, with limits on its memory and call depth. Its
// interrupt is polled between bytecodes and in regular expressions, and not in native loops:
// `'a'.repeat(3e7).indexOf('a'.repeat(1.5e7) + 'b')`, `Array.prototype.indexOf.call({length:
// 2 ** 53 - 1}, 1)` and a dozen others measured run on for hours. So no script runs in the
// process that holds the data. A Runner keeps up to four workers, which are processes of the
// same program: the init function of this package finds a variable in their environment and
// serves scripts before main begins. A run that takes too long ends with its worker, which is
// killed, whatever it is busy with. A worker has an empty environment, two pipes, and on Linux
// limits on its memory and files; it ends when its input does, so none outlives the program.
//
// Workers are used again, up to a few hundred times, and a run gets a JavaScript runtime of its
// own. What a script does to its world is gone with it.
//
// # What scripts see
//
// The language with Date (in UTC), Math, JSON, regular expressions and promises, the five
// variables of spec 11.7, and nothing else: no console, timers, modules, WeakRef, or Atomics.
// Values cross as JSON text, both ways. Where the engine or processes are missing, a Runner
// fails every script, which never grants; see Supported.
package script
