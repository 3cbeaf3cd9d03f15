// Package aggregate runs pipelines of stages, as MongoDB does, over JSON documents.
//
// Compile checks a pipeline once and Run evaluates it over decoded documents; Stream does
// the same document by document, over stored ones too, and StreamValues over documents whose
// fields are made when they are asked for (LazyObject). The package knows nothing of storage:
// other collections, for $lookup and its like, come in through WithCollections or WithSource;
// Sources says which a pipeline reads, and Prefilter what a where can leave out beforehand.
//
//	p, err := aggregate.Compile(`[{"$match": {"n": {"$gt": 1}}}, {"$group": {"_id": "$kind", "n": {"$sum": "$n"}}}]`)
//	out, err := p.Run(ctx, docs)
//
// An object whose only key is $date, with an ISO 8601 text, is a date, in pipelines and in
// documents. Where the key order of a pipeline counts ($sort), a Go map with more than one key
// is refused: use query.D or JSON text.
//
// The shared vectors of testdata, recorded from mingo, decide where they and MongoDB differ,
// unless they are tagged mingo-quirk; compat.go holds everything in which they do.
//
// Every fault in a pipeline is an *errs.Error with the code InvalidQuery whose Path names the
// place ("pipeline.0.$project.total.$add"); what goes over a limit has the code TooLarge.
package aggregate
