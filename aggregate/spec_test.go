package aggregate_test

import "testing"

// TestBeyondVectors holds what the specification asks for and no vector shows.
func TestBeyondVectors(t *testing.T) {
	const docs = `[{"_id":1,"g":"a","n":3,"l":[3,1,2],"s":"Åbc","d":{"$date":"2024-03-30T23:30:00Z"}},{"_id":2,"g":"b","n":1,"l":[],"s":""},{"_id":3,"g":"a","n":2}]`
	for _, c := range []struct{ pipeline, want string }{
		{`[{"$limit":1},{"$replaceWith":{"a":{"$indexOfCP":["$s","c"]},"b":{"$toNumber":"2.5"},"c":{"$first":"$l"},"d":{"$filter":{"input":"$l","cond":{"$gt":["$$this",1]},"limit":1}}}}]`,
			`[{"a":2,"b":2.5,"c":3,"d":[3]}]`},
		{`[{"$limit":1},{"$replaceWith":{"a":{"$hour":{"date":"$d","timezone":"Europe/Oslo"}},"b":{"$dateAdd":{"startDate":"$d","unit":"day","amount":1,"timezone":"Europe/Oslo"}},"c":{"$dateToString":{"date":"$d","format":"%H:%M %z %Z","timezone":"+05:30"}}}}]`,
			`[{"a":0,"b":{"$date":"2024-03-31T22:30:00.000Z"},"c":"05:00 +0530 +330"}]`},
		{`[{"$group":{"_id":"$g","f":{"$first":"$n"},"l":{"$last":"$n"},"t":{"$top":{"sortBy":{"n":1},"output":"$_id"}},"k":{"$minN":{"input":"$n","n":1}},"c":{"$count":{}}}}]`,
			`[{"_id":"a","f":3,"l":2,"t":[3],"k":[2],"c":2},{"_id":"b","f":1,"l":1,"t":[2],"k":[1],"c":1}]`},
		{`[{"$match":{"_id":1}},{"$unwind":{"path":"$l","includeArrayIndex":"i"}},{"$project":{"l":1,"i":1,"_id":0}}]`, `[{"l":3,"i":0},{"l":1,"i":1},{"l":2,"i":2}]`},
		{`[{"$unwind":{"path":"$l","preserveNullAndEmptyArrays":true}},{"$count":"n"}]`, `[{"n":5}]`},
		{`[{"$sortByCount":"$g"}]`, `[{"_id":"a","count":2},{"_id":"b","count":1}]`},
		{`[{"$facet":{"a":[{"$count":"n"}],"b":[{"$match":{"n":{"$gt":9}}}]}}]`, `[{"a":[{"n":3}],"b":[]}]`},
		{`[{"$match":{"$or":[{"n":1},{"g":{"$regex":"^A","$options":"i"},"n":{"$lt":3}}]}},{"$project":{"_id":1}}]`, `[{"_id":2},{"_id":3}]`},
		{`[{"$match":{"l":{"$elemMatch":{"$gt":2,"$lt":4}}}},{"$project":{"_id":1}}]`, `[{"_id":1}]`},
		{`[{"$match":{"l":{"$size":0}}},{"$project":{"_id":1}}]`, `[{"_id":2}]`},
		{`[{"$match":{"l":[3,1,2]}},{"$project":{"_id":1}}]`, `[{"_id":1}]`},
		{`[{"$match":{"d":{"$exists":false}}},{"$unset":["l","s"]},{"$set":{"x.y":"$n"}},{"$project":{"g":0}}]`, `[{"_id":2,"n":1,"x":{"y":1}},{"_id":3,"n":2,"x":{"y":2}}]`},
		{`[{"$set":{"n":"$$REMOVE","l":"$nope"}},{"$match":{"_id":3}}]`, `[{"_id":3,"g":"a"}]`},
		{`[{"$setWindowFields":{"partitionBy":"$g","sortBy":{"n":1},"output":{"r":{"$rank":{}},"s":{"$sum":"$n","window":{"documents":["unbounded","current"]}}}}},{"$project":{"r":1,"s":1}}]`,
			`[{"_id":2,"s":1,"r":1},{"_id":3,"r":1,"s":2},{"_id":1,"s":5,"r":2}]`},
		{`[{"$project":{"_id":0,"Full name":"$s","data.x":"$n"}},{"$limit":1}]`, `[{"Full name":"Åbc","data":{"x":3}}]`},
		{`[{"$replaceWith":{"o":{"$arrayToObject":[[["k",1],["k",2]]]}}},{"$limit":1}]`, `[{"o":{"k":2}}]`},
		{`[{"$limit":1},{"$replaceWith":{"$mergeObjects":["$$ROOT",{"n":{"$cond":{"if":{"$isArray":"$l"},"then":{"$size":"$l"},"else":0}}},{"l":"$$REMOVE","s":"$$REMOVE","d":"$$REMOVE"}]}},{"$project":{"n":1}}]`, `[{"_id":1,"n":3}]`},
	} {
		got, err := run(c.pipeline, docs)
		if err != nil || got != c.want {
			t.Errorf("%s:\n got  %s %v\n want %s", c.pipeline, got, err, c.want)
		}
	}
}
