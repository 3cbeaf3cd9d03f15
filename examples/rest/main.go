// Command rest mounts the REST handler in a service that has pages and a login of its
// own. Its users are entries of a data source, its sessions are its own, and the access
// rules of the other data sources say what each user may do over REST.
//
//	go run ./examples/rest                          asks the service, and ends
//	go run ./examples/rest -serve 127.0.0.1:8080    serves until it is interrupted
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"time"

	"github.com/siftdb/siftdb"
)

func main() {
	addr := flag.String("serve", "", "an address to serve on")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	log := io.Discard
	if *addr != "" {
		log = os.Stderr
	}
	if err := run(ctx, *addr, os.Stdout, log); err != nil {
		fmt.Fprintln(os.Stderr, "rest:", err)
		os.Exit(1)
	}
}

// run serves until the context ends, or without an address until a client has shown what
// the service does.
func run(ctx context.Context, addr string, out, log io.Writer) (err error) {
	db, err := siftdb.OpenMemory(nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }() // after the last request
	if err := fill(ctx, db); err != nil {
		return err
	}
	handler, err := newService(ctx, db, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		return err
	}
	if addr != "" {
		return serve(ctx, addr, handler, func(url string) error {
			_, err := fmt.Fprintf(out, "serving on %s; ada@example.org and bob@example.org log in with the password secret\n", url)
			return err
		})
	}
	ctx, done := context.WithCancel(ctx)
	defer done()
	return serve(ctx, "127.0.0.1:0", handler, func(url string) error {
		defer done()
		return show(ctx, url, out)
	})
}

// serve serves until the context ends, and then lets the requests that are running come to
// their end. ready is called with the URL once there is somebody to answer.
func serve(ctx context.Context, addr string, handler http.Handler, ready func(url string) error) error {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	err = ready("http://" + listener.Addr().String())
	if err == nil {
		select {
		case err := <-served:
			return err
		case <-ctx.Done():
		}
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return errors.Join(err, server.Shutdown(last))
}
