package aggregate_test

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/siftdb/siftdb/aggregate"
)

func ExampleCompile() {
	p, err := aggregate.Compile(`[
		{"$match": {"paid": true}},
		{"$group": {"_id": "$city", "total": {"$sum": "$price"}, "n": {"$sum": 1}}},
		{"$sort": {"total": -1, "_id": 1}}
	]`)
	if err != nil {
		fmt.Println(err)
		return
	}
	docs := []any{
		map[string]any{"city": "Oslo", "price": 5, "paid": true},
		map[string]any{"city": "Rome", "price": 7, "paid": true},
		map[string]any{"city": "Oslo", "price": 4, "paid": true},
		map[string]any{"city": "Rome", "price": 9, "paid": false},
	}
	out, err := p.RunOrdered(context.Background(), docs)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, d := range out {
		text, _ := json.Marshal(d)
		fmt.Println(string(text))
	}
	// Output:
	// {"_id":"Oslo","total":9,"n":2}
	// {"_id":"Rome","total":7,"n":1}
}

func ExampleWithCollections() {
	p, err := aggregate.Compile(`[{"$lookup": {"from": "stock", "localField": "item", "foreignField": "sku", "as": "stock"}}]`,
		aggregate.WithCollections(map[string][]any{"stock": {map[string]any{"sku": "pen", "left": 3}}}))
	if err != nil {
		fmt.Println(err)
		return
	}
	out, err := p.Run(context.Background(), []any{map[string]any{"item": "pen"}})
	fmt.Println(out, err)
	// Output: [map[item:pen stock:[map[left:3 sku:pen]]]] <nil>
}
