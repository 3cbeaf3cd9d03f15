package siftdb_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/hooks"
	"github.com/siftdb/siftdb/security"
)

// exampleOrders returns a table of orders of the users that exampleUsers makes, in
// the same database.
func exampleOrders() (users, orders *siftdb.DataSource) {
	ctx := context.Background()
	db, err := siftdb.OpenMemory(nil)
	if err != nil {
		log.Fatal(err)
	}
	users, err = db.Create(ctx, siftdb.DataSourceSpec{
		Name:       "Users",
		Definition: []byte(`{"views": [{"name": "mine", "filter": {"Email": "session.Email"}}]}`),
		Entries: []any{
			siftdb.M{"Name": "Ada", "Age": 36, "Email": "ada@example.com"},
			siftdb.M{"Name": "Bob", "Age": 42, "Email": "bob@example.com"},
			siftdb.M{"Name": "Cleo", "Age": 17, "Email": "cleo@example.com"},
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	orders, err = db.Create(ctx, siftdb.DataSourceSpec{
		Name: "Orders",
		Entries: []any{
			siftdb.M{"User": "Ada", "Item": "Lamp", "Total": 40},
			siftdb.M{"User": "Bob", "Item": "Desk", "Total": 210},
			siftdb.M{"User": "Ada", "Item": "Chair", "Total": 85},
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	return users, orders
}

func ExampleDataSource_Find_join() {
	ctx := context.Background()
	users, _ := exampleOrders()

	list, err := users.Find(ctx, siftdb.Query{
		Joins: []siftdb.Join{
			{Name: "orders", DataSourceName: "Orders", On: siftdb.On{"Name": "User"},
				Order: siftdb.Order{siftdb.Desc("Total")}, Limit: new(5)},
			{Name: "spent", DataSourceName: "Orders", On: siftdb.On{"Name": "User"}, Sum: "Total"},
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, e := range list {
		fmt.Println(e.Get("Name"), "spent", e.JoinValue("spent"))
		for _, order := range e.Joined("orders") {
			fmt.Println("  ", order.Get("Item"), order.Get("Total"))
		}
	}
	// Output:
	// Ada spent 125
	//    Chair 85
	//    Lamp 40
	// Bob spent 210
	//    Desk 210
	// Cleo spent 0
}

func ExampleDataSource_Aggregate() {
	ctx := context.Background()
	_, orders := exampleOrders()

	report, err := orders.Aggregate(ctx, `[
		{"$match": {"data.Total": {"$gte": 50}}},
		{"$group": {"_id": "$data.User", "orders": {"$sum": 1}, "most": {"$max": "$data.Total"}}},
		{"$sort": {"most": -1}}
	]`, siftdb.Query{})
	if err != nil {
		log.Fatal(err)
	}
	for _, line := range report {
		fmt.Println(line.Get("_id"), line.Get("orders"), line.Get("most"))
	}
	// Output:
	// Bob 1 210
	// Ada 1 85
}

func ExampleDataSource_WithSession() {
	ctx := context.Background()
	users, _ := exampleOrders()

	// The view "mine" of the table is {"Email": "session.Email"}.
	session := &security.Session{User: map[string]any{"Email": "bob@example.com"}}
	mine, err := users.WithSession(session).Find(ctx, siftdb.Query{Views: []string{"mine"}})
	if err != nil {
		log.Fatal(err)
	}
	printUsers(mine)

	nobody, err := users.Find(ctx, siftdb.Query{Views: []string{"mine"}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("without a session:", len(nobody))
	// Output:
	// Bob 42
	// without a session: 0
}

func ExampleDataSource_Live() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	users := exampleUsers()

	for update, err := range users.Live(ctx, siftdb.Query{Where: `{"Age": {"$gte": 18}}`}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println("adults:", len(update.Entered), "new,", len(update.Changed), "changed,", len(update.Left), "gone")
		if !update.Initial {
			break
		}
		if _, err := users.UpdateEntry(ctx, 3, siftdb.M{"Age": 18}); err != nil { // elsewhere, meanwhile
			log.Fatal(err)
		}
	}
	// Output:
	// adults: 2 new, 0 changed, 0 gone
	// adults: 1 new, 0 changed, 0 gone
}

func ExampleDataSource_Subscribe() {
	ctx := context.Background()
	users := exampleUsers()

	told := make(chan struct{})
	sub, err := users.Subscribe(ctx, siftdb.SubscribeOptions{Where: `{"Name": "Bob"}`}, func(c siftdb.Changes) {
		for _, e := range c.Updated {
			fmt.Println("version", c.Version, "updated", string(e.JSON()))
		}
		close(told)
	})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := users.UpdateEntry(ctx, 2, siftdb.M{"Age": 43}); err != nil {
		log.Fatal(err)
	}
	<-told
	sub.Unsubscribe()
	// Output: version 2 updated {"Age":43,"Name":"Bob","Tags":["math"]}
}

func ExampleDataSource_Changes() {
	ctx := context.Background()
	users := exampleUsers()
	if err := users.Remove(ctx, 3); err != nil {
		log.Fatal(err)
	}

	var handled int64 // keep it where a restart finds it
	for set, err := range users.Changes(ctx, handled) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(set.Version.ID, set.Version.Action, len(set.Changes), "changes")
		if handled = set.Version.ID; handled == 2 {
			break // it would wait for the next write
		}
	}
	// Output:
	// 1 create 3 changes
	// 2 delete 1 changes
}

func ExampleOf() {
	ctx := context.Background()
	users := exampleUsers()

	type User struct {
		Name string
		Age  int
		Tags []string `json:",omitempty"`
	}
	people := siftdb.Of[User](users)

	bob, err := people.FindOne(ctx, siftdb.Query{Where: siftdb.M{"Name": "Bob"}})
	if err != nil {
		log.Fatal(err)
	}
	bob.Value.Age++
	saved, err := people.Update(ctx, bob.ID, bob.Value)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(saved.ID, saved.Value.Name, saved.Value.Age, saved.Value.Tags)
	// Output: 2 Bob 43 [math]
}

func ExampleDataSource_Explain() {
	users, _ := exampleOrders()
	plan, err := users.Explain(context.Background(), siftdb.Query{
		Where: `{"Age": {"$gte": 18}}`, Order: siftdb.Order{siftdb.Asc("Name")}, Limit: new(10),
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(plan)
	// Output:
	// limit  take 10
	//   sort  by "Name", keeping the best 10
	//     scan  data source 1 "Users", 3 entries after commit 2, where {"Age":{"$gte":18}}, judged early by stored columns
}

func ExampleFixedKeys() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "siftdb")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "app.db")
	secret := bytes.Repeat([]byte{7}, 32)
	keys, err := siftdb.FixedKeys("2026", map[string][]byte{"2026": secret}) // 32 random bytes
	if err != nil {
		log.Fatal(err)
	}
	db, err := siftdb.Open(ctx, path, &siftdb.Options{Keys: keys})
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()

	patients, err := db.Create(ctx, siftdb.DataSourceSpec{Name: "Patients", Encrypted: true})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := patients.Insert(ctx, siftdb.M{"Name": "Dora"}); err != nil {
		log.Fatal(err)
	}

	raw, err := os.ReadFile(path)
	fmt.Println(err, "in the file:", bytes.Contains(raw, []byte("Dora")) || bytes.Contains(raw, []byte("Patients")))
	db.Close()
	_, err = siftdb.Open(ctx, path, nil)
	fmt.Println(errors.Is(err, siftdb.ErrNoKey))
	// Output:
	// <nil> in the file: false
	// true
}

// smsGateway is how a program sends text messages.
type smsGateway struct{ sent chan string }

func (g smsGateway) SendSMS(_ context.Context, m *hooks.SMSMessage) error {
	fmt.Println("to", m.To[0], "-", m.Body)
	g.sent <- m.ID
	return nil
}

func ExampleDeliveryOptions() {
	ctx := context.Background()
	gateway := smsGateway{make(chan string)}

	db, err := siftdb.OpenMemory(&siftdb.Options{Deliveries: siftdb.DeliveryOptions{
		Senders: hooks.Senders{SMS: gateway}, // an hooks.SMSSender; there are e-mail, push and web, too
		Report: func(r siftdb.DeliveryReport) { // of every try; Close waits for it
			fmt.Println(r.Type, "hook", r.Hook, "try", r.Tries, "error", r.Err)
		},
	}})
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	orders, err := db.Create(ctx, siftdb.DataSourceSpec{Name: "Orders", Hooks: []byte(`[
		{"type": "sms", "runOn": ["insert"], "conditions": [{"Total": {"$gte": 100}}],
		 "payload": {"to": "{{Phone}}", "body": "Thank you for the {{{Item}}}!"}}
	]`)})
	if err != nil {
		log.Fatal(err)
	}
	_, err = orders.Insert(ctx, siftdb.M{"Item": "Desk", "Total": 210, "Phone": "+1555"})
	if err != nil {
		log.Fatal(err)
	}
	<-gateway.sent
	// Output:
	// to +1555 - Thank you for the Desk!
	// sms hook 0 try 1 error <nil>
}

func ExampleDB_RetryDelivery() {
	ctx := context.Background()
	db, err := siftdb.OpenMemory(&siftdb.Options{Deliveries: siftdb.DeliveryOptions{Off: true}})
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	orders, err := db.Create(ctx, siftdb.DataSourceSpec{Name: "Orders", Hooks: []byte(`[{"type": "sms", "runOn": ["insert"], "payload": {"to": "+1555", "body": "!"}}]`)})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := orders.Insert(ctx, siftdb.M{"Item": "Desk"}); err != nil {
		log.Fatal(err)
	}

	for d, err := range db.Deliveries(ctx, siftdb.DeliveryFilter{}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(d.Type, "to", d.Target, "of entry", d.EntryID, "tried", d.Tries, "times", d.LastError)
		if err := db.RetryDelivery(ctx, d.ID); err != nil { // or DropDelivery
			log.Fatal(err)
		}
	}
	// Output: sms to +1555 of entry 1 tried 0 times
}
