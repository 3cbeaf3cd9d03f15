package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/rest"
)

// taskRules let admins do everything, and the others see and write their own tasks. That
// the owner is asked for, or sent, is what the rules require.
const taskRules = `[
	{"name": "admins", "type": ["select", "insert", "update", "delete"], "allow": {"user": {"Role": {"equals": "admin"}}}},
	{"name": "own", "type": ["select", "insert", "update"], "allow": "loggedIn", "exclude": ["Notes"],
		"require": [{"Owner": {"equals": "{{user.Email}}"}}]}
]`

// fill makes the data sources of the service. Users has no rules: over REST nobody reads
// it, while the service itself, which holds the database, may.
func fill(ctx context.Context, db *siftdb.DB) error {
	users, err := db.Create(ctx, siftdb.DataSourceSpec{Name: "Users"})
	if err != nil {
		return err
	}
	for _, u := range []user{{Email: "ada@example.org", Role: "admin"}, {Email: "bob@example.org", Role: "member"}} {
		if err := u.setPassword("secret"); err != nil {
			return err
		}
		if _, err := users.Insert(ctx, u); err != nil {
			return err
		}
	}
	_, err = db.Create(ctx, siftdb.DataSourceSpec{Name: "Tasks", AccessRules: json.RawMessage(taskRules), Entries: []any{
		siftdb.M{"Title": "Write the report", "Owner": "ada@example.org", "Notes": "late again"},
		siftdb.M{"Title": "Check the pumps", "Owner": "bob@example.org", "Notes": "ask Cleo"},
	}})
	return err
}

// newService returns the service: a page of its own, a login, and the REST handler under
// /api, which knows users by the sessions of the service.
func newService(ctx context.Context, db *siftdb.DB, logger *slog.Logger) (http.Handler, error) {
	users, err := db.DataSourceByName(ctx, "Users", siftdb.Scope{})
	if err != nil {
		return nil, err
	}
	s := &sessions{users: siftdb.Of[user](users), open: map[string]session{}}
	api, err := rest.NewHandler(db, rest.Options{
		Prefix:        "/api", // URLs in answers have it too
		Authenticator: s,
		Logger:        logger,
		RateLimit:     rest.RateLimit{Requests: 100},
	})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "A service with tasks. POST email and password to /login.")
	})
	mux.HandleFunc("POST /login", s.login)
	mux.HandleFunc("POST /logout", s.logout)
	mux.Handle("/api/", api)
	return logged(logger, mux), nil
}

// logged logs each request to the service. The handler logs those under /api once more,
// with their routes and request ids.
func logged(logger *slog.Logger, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		next.ServeHTTP(w, r)
		logger.Info("served", "method", r.Method, "path", r.URL.Path, "duration", time.Since(began))
	})
}
