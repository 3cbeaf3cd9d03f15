package aggregate

import (
	"bufio"
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// specified names what the specification asks for, by table.
var specified = map[string]string{
	"stages": `$project $group $sort $match $count $facet $limit $skip $unwind $addFields $set $unset $replaceRoot $replaceWith
		$sortByCount $bucket $bucketAuto $sample $fill $densify $setWindowFields $redact $graphLookup $lookup $unionWith`,
	"accumulators": `$sum $avg $min $max $first $last $push $addToSet $count $mergeObjects`,
	"operators": `$literal $convertToNumber $add $subtract $multiply $divide $mod $abs $ceil $floor $round $trunc $pow $sqrt
		$eq $ne $gt $gte $lt $lte $cmp $and $or $not $cond $ifNull $switch $concat $toLower $toUpper $trim $ltrim $rtrim $split
		$strLenCP $substrCP $indexOfCP $regexMatch $replaceAll $size $in $arrayElemAt $concatArrays $filter $map $reduce $slice
		$first $last $isArray $range $reverseArray $setUnion $setIntersection $setDifference $mergeObjects $objectToArray
		$arrayToObject $getField $year $month $dayOfMonth $dayOfWeek $dayOfYear $hour $minute $second $dateToString
		$dateFromString $dateTrunc $dateDiff $dateAdd $type $toString $toNumber $toInt $toDouble $toBool $toDate $convert`,
	"conditions": `$eq $ne $gt $gte $lt $lte $in $nin $exists $type $mod $regex $options $all $size $elemMatch $not`,
}

// TestTables finds every name of the specification in its table, and every key of the vectors
// that begins with a dollar sign in some table.
func TestTables(t *testing.T) {
	has := map[string]func(string) bool{
		"stages":       func(n string) bool { _, ok := allStages()[n]; return ok },
		"accumulators": func(n string) bool { _, ok := allAccumulators()[n]; return ok },
		"operators":    func(n string) bool { _, ok := allOperators()[n]; return ok },
		"conditions":   func(n string) bool { _, ok := matchOperators()[n]; return ok },
		"windows":      func(n string) bool { _, ok := allWindows()[n]; return ok },
	}
	for table, names := range specified {
		for _, n := range strings.Fields(names) {
			if !has[table](n) {
				t.Errorf("%s is missing from the %s", n, table)
			}
		}
	}
	structure := map[string]bool{"$and": true, "$or": true, "$nor": true, "$expr": true, "$date": true}
	known := func(n string) bool {
		for _, f := range has {
			if f(n) {
				return true
			}
		}
		return structure[n]
	}
	unknown := map[string]string{}
	f, err := os.Open("testdata/aggregate.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s := bufio.NewScanner(f)
	s.Buffer(nil, 1<<24)
	for s.Scan() {
		var v struct {
			ID       string
			Pipeline any
			Error    bool
		}
		if err := json.Unmarshal(s.Bytes(), &v); err != nil {
			t.Fatal(err)
		}
		if !v.Error {
			dollarKeys(v.Pipeline, func(k string) {
				if !known(k) {
					unknown[k] = v.ID
				}
			})
		}
	}
	for k, id := range unknown {
		t.Errorf("%s of %s is in no table", k, id)
	}
}

func dollarKeys(v any, f func(string)) {
	switch x := v.(type) {
	case []any:
		for _, e := range x {
			dollarKeys(e, f)
		}
	case map[string]any:
		for k, e := range x {
			if strings.HasPrefix(k, "$") {
				f(k)
			}
			dollarKeys(e, f)
		}
	}
}
