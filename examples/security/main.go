// Command security shows access rules: what different people see of the same data source
// and what they may write to it, over reads, writes, joins and versions; and a rule that is
// a script, which looks at another data source.
//
//	go run ./examples/security
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/examples/internal/report"
	"github.com/siftdb/siftdb/security"
	"github.com/siftdb/siftdb/security/script"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "security:", err)
		os.Exit(1)
	}
}

// staffRules are tried from top to bottom; the first that grants decides. What no rule
// grants is denied.
const staffRules = `[
	{"name": "managers", "type": ["select", "insert", "update", "delete"], "allow": {"user": {"Role": {"equals": "manager"}}}},
	{"name": "colleagues", "type": "select", "allow": "loggedIn", "include": ["Name", "Department", "Email"],
		"require": [{"Department": {"equals": "{{user.Department}}"}}]},
	{"name": "oneself", "type": ["select", "update"], "allow": "loggedIn", "exclude": ["Salary", "Role"],
		"require": [{"Email": {"equals": "{{user.Email}}"}}]}
]`

// projectScript is a rule in JavaScript. It lets members read the projects of their teams, by
// changing what is asked for, and lets nobody write.
const projectScript = `
	if (type !== 'select' || !user) return {granted: false};
	const teams = await DataSources('Teams').find({where: {Members: user.Email}});
	query.Team = {$in: teams.map(team => team.data.Name)};
	return {granted: true, exclude: ['Budget']};`

// The people. A principal is what a program knows of the caller, after it has found out who
// that is.
var (
	alice = &security.Principal{TokenID: 1, User: map[string]any{"Email": "alice@example.org", "Department": "Pumps", "Role": "manager"}}
	bob   = &security.Principal{TokenID: 2, User: map[string]any{"Email": "bob@example.org", "Department": "Pumps", "Role": "member"}}
	token = &security.Principal{TokenID: 3} // of a program; nobody is logged in
)

// run fills a database in memory and asks it as several people.
func run(ctx context.Context, out io.Writer) (err error) {
	// Scripts run in processes of this program, with limits on time and memory.
	engine := script.New(script.Options{})
	defer engine.Close()
	db, err := siftdb.OpenMemory(&siftdb.Options{Scripts: engine})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	t := &tour{Report: report.New(out)}
	if err := t.fill(ctx, db); err != nil {
		return err
	}
	t.Say("One database, as Alice (a manager), Bob, and a token without a user see it.")
	for _, step := range []func(context.Context) error{t.reads, t.writes, t.joins, t.versions, t.script} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return t.Err()
}

// tour is the program's state.
type tour struct {
	*report.Report
	staff, shifts, projects *siftdb.DataSource // with full rights: no rules are asked
}

func (t *tour) fill(ctx context.Context, db *siftdb.DB) (err error) {
	script, err := json.Marshal([]map[string]string{{"script": projectScript}})
	if err != nil {
		return err
	}
	for _, source := range []struct {
		to    **siftdb.DataSource
		name  string
		rules string
		rows  []any
	}{
		{&t.staff, "Staff", staffRules, []any{
			siftdb.M{"Name": "Alice", "Department": "Pumps", "Email": "alice@example.org", "Role": "manager", "Salary": 9000},
			siftdb.M{"Name": "Bob", "Department": "Pumps", "Email": "bob@example.org", "Role": "member", "Salary": 5000},
			siftdb.M{"Name": "Cleo", "Department": "Valves", "Email": "cleo@example.org", "Role": "member", "Salary": 7000},
		}},
		{&t.shifts, "Shifts", `[{"type": "select", "allow": "all"}]`, []any{
			siftdb.M{"Day": "Monday", "Department": "Pumps"}, siftdb.M{"Day": "Tuesday", "Department": "Valves"},
		}},
		{new(*siftdb.DataSource), "Teams", `[]`, []any{ // nobody reads it but the script
			siftdb.M{"Name": "Red", "Members": []string{"bob@example.org"}}, siftdb.M{"Name": "Blue", "Members": []string{"cleo@example.org"}},
		}},
		{&t.projects, "Projects", string(script), []any{
			siftdb.M{"Title": "A quieter pump", "Team": "Red", "Budget": 40000}, siftdb.M{"Title": "A tighter valve", "Team": "Blue", "Budget": 60000},
		}},
	} {
		spec := siftdb.DataSourceSpec{Name: source.name, AccessRules: json.RawMessage(source.rules), Entries: source.rows}
		if *source.to, err = db.Create(ctx, spec); err != nil {
			return err
		}
	}
	return nil
}

// person is somebody who asks.
type person struct {
	name string
	as   *security.Principal
}

var people = []person{{"Alice", alice}, {"Bob", bob}, {"the token", token}}
