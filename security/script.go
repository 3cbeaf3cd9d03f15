package security

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/query"
)

// ScriptRunner runs the scripts of rules (spec 11.7).
type ScriptRunner interface {
	// RunScript runs a script once, in a clean world of its own, until it has settled or ctx is
	// done. An error is a syntax error, an exception, or a limit that was hit; it wraps
	// ErrScriptTime when time was up. Nothing that a script does may grant by itself: what it
	// returned is judged here.
	RunScript(ctx context.Context, call ScriptCall) (ScriptResult, error)
}

// ErrScriptTime is the error of a script that took too long: the request is denied and no
// further rule is asked.
var ErrScriptTime = errors.New("the script took too long")

// defaultScriptTime is the time limit of spec 11.7(4).
const defaultScriptTime = 3 * time.Second

// ScriptCall is one run of one script, with the variables it sees.
type ScriptCall struct {
	// Rule is the place of the rule, from 0, and Name its label.
	Rule int
	Name string
	// Source is the body of an async JavaScript function.
	Source string
	// Type is select, insert, update or delete; a count may also run as count.
	Type Operation
	// User is the user's columns, an object, or absent for undefined.
	User document.Value
	// Query are the objects of the variable `query`: the object itself, or all members of the
	// array if List is set.
	Query []document.Value
	List  bool
	// Entry is `{id, data}`, or absent for undefined.
	Entry document.Value
	// Reader serves `DataSources`; nil rejects every look-up.
	Reader ScriptReader
}

// ScriptReader reads data sources for scripts, with full rights, whatever the caller may do
// (spec 11.7(6)). Databases bring their own.
type ScriptReader interface {
	// Find returns the entries of a data source that match where, each an object with at least id
	// and data, after offset and at most limit. source is an int64, the id, or a string, the name.
	// where is an object in the language of spec 3. A data source that is unknown, or is not of
	// the same organization, is an error, whose text the script sees. Calls of one run follow
	// each other; ctx is done when the script's time is up.
	Find(ctx context.Context, source any, where document.Value, limit, offset int) ([]document.Value, error)
}

// ScriptResult is what a script that ended left behind.
type ScriptResult struct {
	// Returned is what it returned; absent for undefined and what is not JSON.
	Returned document.Value
	// Query are the objects that it was given, by identity and in the order they were given,
	// with the changes it made to them; nil when it made none. What it did to the array or to
	// the variable itself does not show here.
	Query []document.Value
}

// ScriptFailure tells of a script that failed or took too long.
type ScriptFailure struct {
	Rule int
	Name string
	Type Operation
	Err  error
}

// askScript runs the script of a rule. A script alone decides for whom and what a rule is; the
// rule's own column limits and requirements, if it has any, can only take away from that.
func (d *decision) askScript(r *rule) (*Grant, error) {
	if unmet := d.unmet(r.require); unmet != "" {
		return nil, d.userErr
	}
	types := []Operation{d.req.Operation}
	if d.req.Operation == Count {
		types = []Operation{Select, Count}
	}
	for _, t := range types {
		call := d.call(r, t)
		if d.userErr != nil {
			return nil, d.userErr
		}
		result, err := d.run(call)
		if d.ctx.Err() != nil {
			return nil, d.ctx.Err()
		}
		grant := (*Grant)(nil)
		if err == nil {
			grant, err = d.judge(r, call, result)
		}
		var denied *Denied
		switch {
		case errors.As(err, &denied):
			return nil, denied
		case err != nil:
			d.report(ScriptFailure{Rule: r.index, Name: r.name, Type: t, Err: err})
			if errors.Is(err, ErrScriptTime) {
				return nil, d.denied("the script of rule %d took too long", r.index)
			}
		case grant != nil:
			return grant, nil
		}
	}
	return nil, nil
}

func (d *decision) report(f ScriptFailure) {
	if d.req.Report != nil {
		d.req.Report(f)
	}
}

// run runs a script within its time.
func (d *decision) run(call ScriptCall) (ScriptResult, error) {
	if d.scripts == nil {
		return ScriptResult{}, errors.New("there is nothing that runs scripts")
	}
	limit := d.req.ScriptTime
	if limit <= 0 {
		limit = defaultScriptTime
	}
	ctx, cancel := context.WithTimeout(d.ctx, limit)
	defer cancel()
	result, err := d.scripts.RunScript(ctx, call)
	if ctx.Err() != nil && !errors.Is(err, ErrScriptTime) { // whatever it came to: it is too late
		err = errors.Join(ErrScriptTime, err)
	}
	return result, err
}

// call makes the variables of a script.
func (d *decision) call(r *rule, t Operation) ScriptCall {
	call := ScriptCall{Rule: r.index, Name: r.name, Source: r.script, Type: t, User: d.columns(), List: d.req.List, Reader: d.req.Reader}
	switch {
	case d.req.Operation.writes():
		call.Query = d.req.Data
		if d.req.Operation == Update && !d.req.List && len(d.req.Stored) == 1 {
			call.Entry = document.Of(query.D{{Key: "id", Value: d.req.EntryID}, {Key: "data", Value: d.req.Stored[0]}})
		}
	case d.req.Operation == Delete:
		call.Query = d.req.Stored
		if !d.req.ByID {
			call.List = true
		}
	case d.req.ByID:
		call.Query = []document.Value{document.Of(map[string]any{"id": d.req.EntryID})}
		call.List = false
	default:
		call.Query = []document.Value{d.req.Where}
		call.List = false
	}
	return call
}

// judge says whether what a script returned grants: an object whose granted is true (spec
// 11.7). What does not is passed over; a malformed answer is an error.
func (d *decision) judge(r *rule, call ScriptCall, result ScriptResult) (*Grant, error) {
	granted := result.Returned.Field("granted")
	if granted.Kind() != document.Bool || !granted.Bool() {
		return nil, nil
	}
	l, err := returnedLimits(result.Returned)
	if err != nil {
		return nil, err
	}
	changed := call.Query
	if result.Query != nil {
		if changed, err = changedQuery(call.Query, result.Query); err != nil {
			return nil, err
		}
	}
	l = l.and(r.limits)
	grant := d.grant(r, l)
	switch {
	case d.req.Operation.writes():
		// A column that the script sets is its own affair; one that the caller sent is not.
		for i, data := range changed {
			for column := range data.Fields() {
				if l.hides(column) && d.req.Data[i].Field(column).Kind() != document.Absent {
					return nil, d.denied("the script of rule %d does not let %q be set", r.index, column)
				}
			}
		}
		grant.Data = changed
	case d.req.Operation != Delete:
		grant.Where, err = d.changedWhere(changed[0])
	}
	if err != nil {
		return nil, err
	}
	return grant, nil
}

// changedWhere is the where that a script left. Of an entry by id it is what was added to the
// id, absent when that is nothing: a where that names `id` could mean a column.
func (d *decision) changedWhere(where document.Value) (document.Value, error) {
	if !d.req.ByID {
		return where, nil
	}
	var rest query.D
	for key, v := range where.Fields() {
		if key != "id" {
			rest = append(rest, query.E{Key: key, Value: v})
		} else if !document.Equal(v, document.Of(d.req.EntryID)) {
			return document.Value{}, errors.New("the script asked for another entry than the caller")
		}
	}
	if rest == nil {
		return document.Value{}, nil
	}
	return document.FromGo(rest, document.Limits{Depth: 1000, Keys: -1, KeyBytes: -1})
}

// returnedLimits reads the column limits that a script returned.
func returnedLimits(v document.Value) (limits, error) {
	var lists [2]set
	for i, key := range []string{"include", "exclude"} {
		list := v.Field(key)
		if list.Kind() <= document.Null {
			continue
		}
		names, err := parseNames(key, list)
		if err != nil {
			return limits{}, err
		}
		lists[i] = names
	}
	if lists[0] != nil {
		return limits{include: lists[0]}, nil
	}
	return limits{exclude: lists[1]}, nil
}

// changedQuery holds the objects that a script left against those that it was given.
func changedQuery(given, left []document.Value) ([]document.Value, error) {
	if len(left) != len(given) {
		return nil, fmt.Errorf("the script was given %d objects and left %d", len(given), len(left))
	}
	for _, v := range left {
		if v.Kind() != document.Object {
			return nil, fmt.Errorf("the script left %s in place of an object", kindName(v))
		}
	}
	return left, nil
}
