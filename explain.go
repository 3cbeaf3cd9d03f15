package siftdb

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/security"
)

// Plan is one step of how a query is answered, with the steps that feed it. Print it,
// or read it step by step; the texts are for people and may change.
type Plan struct {
	// Step is what is done: "scan" reads all entries, "columns" asks columns in memory, "count"
	// takes the number of all entries, which the data source keeps,
	// "fetch" reads those entries that its inputs propose, which are "ids", "index",
	// "trigrams", "intersect" and "union"; then "get", "sort", "distinct", "limit", "join",
	// "append" and "pipeline".
	Step string
	// Detail says on what, and how.
	Detail string
	// Rows is how many entries the step looks at, as far as a short look into indexes tells;
	// nil where that says nothing. AtLeast says that there may be many more.
	Rows    *int64
	AtLeast bool
	// Ran tells what the step did when ExplainAnalyze ran it; nil where that is not measured,
	// and always of Explain.
	Ran *PlanRun
	// Notes tell why something quicker is not done.
	Notes []string
	// Inputs are the steps whose entries this one takes, the query's own first.
	Inputs []*Plan
}

// PlanRun is what a step did.
type PlanRun struct {
	// Looked is how many entries it looked at, Rows how many it gave on.
	Looked, Rows int64
	// Time is how long it took, with the steps that feed it.
	Time time.Duration
}

// String returns the plan as an indented tree, the last step first.
func (p *Plan) String() string {
	var b strings.Builder
	p.write(&b, "")
	return b.String()
}

func (p *Plan) write(b *strings.Builder, indent string) {
	fmt.Fprintf(b, "%s%s%s\n", indent, strings.TrimRight(p.Step+"  "+p.Detail, " "), p.numbers())
	for _, n := range p.Notes {
		fmt.Fprintf(b, "%s  note: %s\n", indent, n)
	}
	for _, in := range p.Inputs {
		in.write(b, indent+"  ")
	}
}

// numbers tells how many entries there are to look at, and were.
func (p *Plan) numbers() string {
	text := ""
	switch {
	case p.Rows == nil || p.Step == "scan" || p.Step == "columns" || p.Step == "count": // the detail tells
	case p.AtLeast:
		text = fmt.Sprintf("  (%d entries or more)", *p.Rows)
	case *p.Rows == 1:
		text = "  (1 entry)"
	default:
		text = fmt.Sprintf("  (%d entries)", *p.Rows)
	}
	if p.Ran != nil {
		text += fmt.Sprintf("  [looked at %d, gave %d, in %v]", p.Ran.Looked, p.Ran.Rows, p.Ran.Time)
	}
	return text
}

// Explain tells how a query would be answered, without running it: it looks into indexes, but
// reads no entries. It checks the query, its views and its joins as running it does. To a
// principal that is not an admin it shows the where that was sent, not what rules and hooks
// made of it, and nothing of indexes.
func (ds *DataSource) Explain(ctx context.Context, q Query) (*Plan, error) {
	if q.Aggregate != nil {
		return ds.explainPipeline(ctx, q)
	}
	sent := q
	ds, err := ds.selecting(ctx, security.Select, &q)
	if err != nil {
		return nil, err
	}
	c, err := q.compileAny(ds.db.bounded())
	if err != nil {
		return nil, err
	}
	f := ds.finder(ctx, c, false)
	defer f.close()
	f.numberOnly = q.CountOnly
	if err := f.joins.authorize(ctx); err != nil {
		return nil, err
	}
	if err := f.prepareExplain(ctx); err != nil {
		return nil, err
	}
	if !ds.db.as.Unrestricted() && !ds.db.off.has(guardExplainWhere) { // what rules and hooks made of the where is not for all to see
		q.Where = sent.Where
	}
	return f.explainAppended(f.explain(ctx, &q)), nil
}

// explainPipeline is Explain for a query with a pipeline.
func (ds *DataSource) explainPipeline(ctx context.Context, q Query) (*Plan, error) {
	pipeline := q.Aggregate
	q.Aggregate = nil
	a, err := ds.aggregator(ctx, pipeline, q)
	if err != nil {
		return nil, atAggregate(err)
	}
	defer a.close()
	if err := a.begin(ctx); err != nil {
		return nil, err
	}
	selected := q
	selected.Order, selected.Limit, selected.Offset, selected.Attributes = nil, nil, 0, nil
	if err := a.f.prepareExplain(ctx); err != nil {
		return nil, err
	}
	if names, ok := a.pipeline.Columns(); ok {
		a.f.wanted, a.f.numberOnly = names, a.counts(names)
	} else if a.f.rd.chosen == nil && a.f.rd.st.head.Count >= ds.db.columns.from {
		a.notes = append(a.notes, "columns in memory do not serve: of the stages, $match on columns and then $group, $sortByCount, $bucket, $count or a $sort with a $limit need them alone")
	}
	in := a.f.explain(ctx, &selected)
	scan := in.source()
	if n := a.pipeline.Reads(); n > 0 && scan.Step == "columns" {
		scan.Detail += ", of which at most " + strconv.Itoa(n) + " are read, unless that is most of them"
	}
	if len(a.early) > 0 {
		scan.Detail += ", and where " + clipText(string(document.AppendJSON(nil, document.Of(a.early)))) + " of the first $match"
	}
	p := &Plan{Step: "pipeline", Detail: strings.Join(stageNames(pipeline), ", "), Notes: a.notes, Inputs: []*Plan{a.f.explainAppended(in)}}
	for _, from := range a.pipeline.Sources() {
		detail := a.others[from].rd.described() + ", once, for the pipeline"
		for _, path := range a.pipeline.Searched(from) {
			detail += "; of it what $lookup looks for by " + path + ", when few documents come to that"
		}
		p.Inputs = append(p.Inputs, &Plan{Step: "scan", Detail: detail})
	}
	return limited(p, &q), nil
}

// explain tells how the finder gets its entries, outer joins aside.
func (f *finder) explain(ctx context.Context, q *Query) *Plan {
	p := &Plan{Step: "scan", Detail: f.rd.described()}
	p.Detail += explainFilter(q.Where, q.Views)
	if f.explainCount(p) {
		return p
	}
	if f.explainIndexes(p) {
	} else if (f.rd.st.source.veil == nil || f.ds.db.off.has(guardExplainDetail)) && f.m.where.CanJudge() {
		p.Detail += ", judged early by stored columns"
	}
	if p.Step == "scan" {
		f.explainColumns(ctx, p)
	}
	if f.joins != nil {
		for _, run := range f.joins.runs {
			if run.c.Required {
				p = run.explain("keeps entries with a match in", p)
			}
		}
	}
	if len(q.Order) > 0 && !f.way.sorted {
		how := "all"
		if q.Limit != nil && !q.Distinct {
			how = "the best " + strconv.Itoa(saturated(q.Offset, *q.Limit))
		}
		p = &Plan{Step: "sort", Detail: strings.TrimPrefix(orderText(q.Order), ", ") + ", keeping " + how, Inputs: []*Plan{p}}
	}
	if q.Distinct {
		p = &Plan{Step: "distinct", Inputs: []*Plan{p}}
	}
	p = limited(p, q)
	if f.joins != nil {
		for _, run := range f.joins.runs {
			what := [...]string{"the entries", "whether there are any", "the number", "the sum"}[run.c.kind]
			if run.c.Required {
				p = &Plan{Step: "join", Detail: "adds " + what + " of " + strconv.Quote(run.c.Name) + ", from that hash table", Inputs: []*Plan{p}}
			} else {
				p = run.explain("adds "+what+" of", p)
			}
		}
	}
	return p
}

// explainFilter tells what entries must match.
func explainFilter(where any, views []string) (detail string) {
	if text, err := whereJSON(where); err == nil && len(text) > 0 && string(text) != "{}" {
		detail += ", where " + clipText(string(text))
	}
	if len(views) > 0 {
		detail += ", in any of the views " + quoteAll(views)
	}
	return detail
}

// orderText tells what entries are sorted by.
func orderText(order Order) string {
	names := make([]string, len(order))
	for i, key := range order {
		if names[i] = strconv.Quote(key.Name); key.Desc {
			names[i] += " descending"
		}
	}
	return ", by " + strings.Join(names, ", ")
}

// explainAppended adds the outer joins.
func (f *finder) explainAppended(p *Plan) *Plan {
	if f.joins == nil {
		return p
	}
	for _, o := range f.joins.outer {
		p = &Plan{Step: "append", Detail: strconv.Quote(o.c.Name), Inputs: []*Plan{p, {Step: "scan", Detail: o.f.rd.described() + explainFilter(o.c.Where, o.c.Views)}}}
	}
	return p
}

// explain tells how a join finds its entries.
func (run *joinRun) explain(what string, parents *Plan) *Plan {
	way := &Plan{Step: "scan", Detail: run.rd.described() + ", once, into a hash table"}
	if run.columnNames != "" {
		way.Step, way.Detail = "columns", run.columnNames+" of "+way.Detail+"; scanned when most are wanted"
	} else if run.columnNote != "" && run.indexName == "" {
		way.Notes = []string{run.columnNote}
	}
	if run.indexName != "" {
		way.Step, way.Detail = "get", run.rd.described()+", by index "+strconv.Quote(run.indexName)+"; scanned when many are wanted"
	}
	if run.byID() && !run.c.Required {
		way.Notes = nil
		way.Step, way.Detail = "get", run.rd.described()+", by id; scanned when many are wanted"
	}
	way.Detail += explainFilter(run.c.Where, run.c.Views)
	rest := ""
	if len(run.c.query.order) > 0 {
		rest = orderText(run.c.Order)
	}
	if run.c.query.limit >= 0 {
		rest += ", at most " + strconv.Itoa(run.c.query.limit) + " for each"
	}
	pairs := make([]string, len(run.c.from))
	for i := range pairs {
		pairs[i] = run.c.from[i].String() + " = " + run.c.to[i].String()
	}
	return &Plan{Step: "join", Detail: what + " " + strconv.Quote(run.c.Name) + " on " + strings.Join(pairs, " and ") + rest, Inputs: []*Plan{parents, way}}
}

// described names a data source, its size and the state that is read.
func (rd *reading) described() string {
	return fmt.Sprintf("data source %d %s, %d entries after commit %d", rd.ds.id, strconv.Quote(rd.st.source.def.Name), rd.st.count, rd.st.commit)
}

// stageNames returns the names of a pipeline's stages.
func stageNames(pipeline any) (names []string) {
	text, err := aggregateJSON(pipeline)
	if err != nil {
		return nil
	}
	stages, err := document.Parse(text, document.Limits{})
	if err != nil {
		return nil
	}
	for stage := range stages.Items() {
		for name := range stage.Fields() {
			names = append(names, strings.Clone(name))
		}
	}
	return names
}

// limited adds a step for an offset and a limit.
func limited(p *Plan, q *Query) *Plan {
	var parts []string
	if q.Offset > 0 {
		parts = append(parts, "skip "+strconv.Itoa(q.Offset))
	}
	if q.Limit != nil {
		parts = append(parts, "take "+strconv.Itoa(*q.Limit))
	}
	if len(parts) == 0 {
		return p
	}
	return &Plan{Step: "limit", Detail: strings.Join(parts, ", "), Inputs: []*Plan{p}}
}

// compileAny checks a query of any type as running it does.
func (q *Query) compileAny(bounded bool) (*compiled, error) {
	switch {
	case q.Type == "delete":
		return q.compileDelete(bounded)
	case q.CountOnly:
		if _, err := q.compileCount(bounded); err != nil {
			return nil, err
		}
	}
	return q.compileSelect(bounded)
}

func quoteAll(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = strconv.Quote(n)
	}
	return strings.Join(quoted, ", ")
}

// clipText shortens a text that is shown to people.
func clipText(s string) string {
	const most = 200
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
