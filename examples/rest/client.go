package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"

	"github.com/siftdb/siftdb/examples/internal/report"
)

// browser is a client that keeps cookies, as browsers do.
type browser struct {
	http.Client
	url   string
	table *report.Table
}

// show asks the service as two users would, and prints what it answers.
func show(ctx context.Context, url string, out io.Writer) error {
	r := report.New(out)
	r.Say("A service with a login of its own, and tasks over REST under /api.")
	for _, visit := range []struct {
		title, email string
		requests     [][3]string
	}{
		{"Nobody has logged in", "", [][3]string{
			{"GET", "/", ""},
			{"GET", "/api/v1/data-sources/Tasks/data", ""},
		}},
		{"Bob sees and writes his own tasks, without the notes", "bob@example.org", [][3]string{
			{"GET", "/api/v1/user", ""},
			{"GET", "/api/v1/data-sources/Tasks/data", ""},
			{"GET", `/api/v1/data-sources/Tasks/data?where={"Owner":"bob@example.org"}`, ""},
			{"PUT", "/api/v1/data-sources/Tasks/data", `{"Title": "Oil the pumps", "Owner": "bob@example.org"}`},
			{"PUT", "/api/v1/data-sources/Tasks/data", `{"Title": "Rest", "Owner": "ada@example.org"}`},
			{"DELETE", "/api/v1/data-sources/Tasks/data/1", ""},
			{"GET", "/api/v1/data-sources/Users/data", ""},
			{"POST", "/logout", ""},
			{"GET", "/api/v1/user", ""},
		}},
		{"Ada is an admin of the tasks", "ada@example.org", [][3]string{
			{"GET", "/api/v1/data-sources/Tasks/data", ""},
			{"POST", "/api/v1/data-sources/Tasks/data/query", `{"where": {"Title": {"$like": "%pumps"}}, "countOnly": true}`},
			{"GET", "/api/v1/data-sources/Users/data", ""},
		}},
	} {
		r.Heading(visit.title)
		b := browser{url: url, table: report.NewTable("request", "status", "answer")}
		b.Jar, _ = cookiejar.New(nil) // it fails for options only, and there are none
		if visit.email != "" {
			if err := b.ask(ctx, "POST", "/login", "email="+visit.email+"&password=secret"); err != nil {
				return err
			}
		}
		for _, q := range visit.requests {
			if err := b.ask(ctx, q[0], q[1], q[2]); err != nil {
				return err
			}
		}
		r.Table(b.table)
		b.CloseIdleConnections()
	}
	return r.Err()
}

// ask sends a request, and notes the answer.
func (b *browser) ask(ctx context.Context, method, path, body string) error {
	target, query, _ := strings.Cut(path, "?")
	if name, value, ok := strings.Cut(query, "="); ok {
		target += "?" + url.Values{name: {value}}.Encode()
	}
	r, err := http.NewRequestWithContext(ctx, method, b.url+target, strings.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	if !strings.HasPrefix(body, "{") {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	answer, err := b.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	b.table.Add(method+" "+path, fmt.Sprint(answer.StatusCode), summary(text))
	return nil
}

// summary is the part of an answer that the table has room for.
func summary(text []byte) string {
	var answer struct {
		Message string
		Entries []struct{ Data json.RawMessage }
		Data    json.RawMessage
		Count   *int
		User    struct{ Email string }
	}
	if json.Unmarshal(text, &answer) != nil {
		return strings.TrimSpace(string(text))
	}
	switch {
	case answer.Message != "":
		return answer.Message
	case answer.User.Email != "":
		return answer.User.Email
	case answer.Count != nil:
		return fmt.Sprint(*answer.Count, " entries")
	case answer.Data != nil:
		return string(answer.Data)
	}
	lines := make([]string, len(answer.Entries))
	for i, e := range answer.Entries {
		lines[i] = string(e.Data)
	}
	return strings.Join(lines, " ")
}
