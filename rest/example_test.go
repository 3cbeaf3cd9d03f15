package rest_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/rest"
)

// A program serves its database beside its own pages.
func ExampleNewHandler() {
	db, err := siftdb.OpenMemory(nil)
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	users, err := db.Create(context.Background(), siftdb.DataSourceSpec{Name: "Users"})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := users.Insert(context.Background(), siftdb.M{"Name": "Ada"}); err != nil {
		log.Fatal(err)
	}

	tokens, err := rest.Tokens(rest.Token{ID: 1, Token: "eu--secret", Admin: true})
	if err != nil {
		log.Fatal(err)
	}
	handler, err := rest.NewHandler(db, rest.Options{Authenticator: tokens})
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/api/", http.StripPrefix("/api", handler))
	server := httptest.NewServer(mux) // http.ListenAndServe in a program
	defer server.Close()

	request, err := http.NewRequest("POST", server.URL+"/api/v1/data-sources/Users/data/query", strings.NewReader(`{"where": {"Name": "Ada"}, "countOnly": true}`))
	if err != nil {
		log.Fatal(err)
	}
	request.Header.Set("Auth-token", "eu--secret")
	response, err := server.Client().Do(request)
	if err != nil {
		log.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(response.Status, string(body))
	// Output: 200 OK {"count":1,"dataSourceId":1}
}
