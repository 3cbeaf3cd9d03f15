package aggregate

import (
	"math"
	"slices"
	"strings"
	"time"
)

// likeReference says whether the package answers as the shared vectors want where they differ
// from MongoDB without being tagged so. Everything that depends on it is in this file, or asks
// for it by name; without it MongoDB's rule holds.
const likeReference = true

// notFoundFrom is what $indexOfArray answers when it finds nothing from a start on.
func notFoundFrom(start, end int) Value {
	if likeReference && start <= end {
		return number(float64(start - 1))
	}
	return number(-1)
}

// matchIndexes gives where each match begins, in code points.
func matchIndexes(starts, ends []int) []int {
	if !likeReference {
		return starts
	}
	out := make([]int, len(starts))
	before := 0
	for i, s := range starts {
		end := 0
		if i > 0 {
			end = ends[i-1]
		}
		out[i] = s - end + before
		before = ends[i] - end
	}
	return out
}

// emptyNumber is what $convert makes of an empty text where it is to be a whole number.
func emptyNumber(v Value, to string) (Value, bool) {
	if likeReference && v.kind == String && v.str == "" && (to == "int" || to == "long") {
		return number(0), true
	}
	return v, false
}

// startDate is the first date of $dateAdd, $dateSubtract and $dateDiff: null is 1970.
func startDate(v Value) Value {
	if likeReference && v.kind == Null {
		return dateOf(0)
	}
	return v
}

// dateParts completes the year, month and day of $dateFromParts. Parts that are not given count
// as 0, a year as 10000, and the parts of ISO weeks are not seen.
func dateParts(n *[10]int, a []Value) (iso, ok bool) {
	iso = a[3].kind != Missing
	if !likeReference {
		return iso, iso || a[0].kind != Missing
	}
	for i, v := range a[:3] {
		if v.nullish() {
			n[i] = 0
		}
	}
	if a[0].nullish() {
		n[0] = 10000
	}
	return false, true
}

// isoYearOf is %G of $dateToString.
func isoYearOf(t time.Time) int {
	if likeReference {
		return t.Year()
	}
	y, _ := t.ISOWeek()
	return y
}

// bitNumber gives the number that a bit test sees.
func bitNumber(v Value) (int64, bool) {
	if likeReference && v.kind == String {
		v = toNumberLoosely(v)
	}
	return v.whole()
}

// compareAs gives the comparison of $sortByCount's expression: by the rules of queries, values
// of different types do not compare.
func compareAs(order func(int) bool) operatorFunc {
	return func(_ *call, _ *env, a []Value) Value {
		return boolean(a[0].kind == a[1].kind && order(compare(a[0], a[1])))
	}
}

// percentile gives the member of a list for which so large a part is not above.
func percentile(list []float64, p float64) Value {
	n := len(list)
	if n == 0 {
		return null
	}
	if !likeReference {
		return number(list[max(min(int(math.Ceil(p*float64(n)))-1, n-1), 0)])
	}
	r := p*float64(n-1) + 1
	at := int(r)
	want := list[at-1]
	if at < n {
		want += (r - float64(at)) * (list[at] - list[at-1])
	}
	i := insertIndex(list, want)
	if float64(i)/float64(n) >= p {
		i = max(i-1, 0)
	}
	return number(list[min(i, n-1)])
}

// insertIndex is a binary search, also in a list that is not in order.
func insertIndex(list []float64, x float64) int {
	lo, hi := 0, len(list)-1
	for lo <= hi {
		mid := lo + (hi-lo+1)/2
		switch {
		case x < list[mid]:
			hi = mid - 1
		case x > list[mid]:
			lo = mid + 1
		default:
			return mid
		}
	}
	return lo
}

// sortForPercentile sorts numbers by their text, as the reference does.
func sortForPercentile(list []float64) []float64 {
	list = slices.Clone(list)
	if !likeReference {
		slices.Sort(list)
		return list
	}
	type pair struct {
		s string
		f float64
	}
	pairs := make([]pair, len(list))
	for i, f := range list {
		pairs[i] = pair{string(appendNumber(nil, number(f))), f}
	}
	slices.SortStableFunc(pairs, func(a, b pair) int { return strings.Compare(a.s, b.s) })
	for i, p := range pairs {
		list[i] = p.f
	}
	return list
}

// bucketOf gives the bucket of a value between boundaries: a value on a boundary belongs to the
// bucket below it.
func bucketOf(boundaries []Value, v Value) int {
	i, found := slices.BinarySearchFunc(boundaries, v, compare)
	if found && (!likeReference || i == 0) {
		return i
	}
	if found && i == len(boundaries)-1 {
		return i
	}
	return i - 1
}

// firstLimit is where the first bucket of a granularity begins.
func (s *bucketAuto) firstLimit(f float64) Value {
	if likeReference {
		return number(0)
	}
	return number(s.series(f, false))
}

// doubled reports whether each bucket after the first ends at twice its beginning.
func (s *bucketAuto) doubled(bucket int) bool { return likeReference && s.powers && bucket > 0 }

// unmatchedMember adds the null that $lookup gives where a member of a list has no match.
func unmatchedMember(docs []Value, index map[string][]int, local Value) []Value {
	if !likeReference || local.kind != Array {
		return docs
	}
	for _, v := range local.items() {
		if len(find(index, v)) == 0 {
			return append(docs, null)
		}
	}
	return docs
}

// lookupInput gives the documents that the pipeline of a $lookup by fields sees: all of the
// collection, where any matches.
func lookupInput(all, matching []Value) []Value {
	if likeReference && len(matching) > 0 {
		return all
	}
	return matching
}

// fieldOfNull is $getField of null.
func fieldOfNull() Value {
	if likeReference {
		return Value{}
	}
	return null
}
