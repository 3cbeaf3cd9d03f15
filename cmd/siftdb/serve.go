package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/rest"
)

// settings are the flags of serve.
type settings struct {
	addr, file, tokens, media, cors string
	memory, verbose                 bool
	rate                            int
}

// serve serves a database until the context ends.
func serve(ctx context.Context, args []string, out, log io.Writer) error {
	var s settings
	flags := newFlags("serve", out)
	flags.StringVar(&s.addr, "addr", "127.0.0.1:8080", "")
	flags.StringVar(&s.file, "db", "", "")
	flags.BoolVar(&s.memory, "memory", false, "")
	flags.StringVar(&s.tokens, "tokens", "", "")
	flags.StringVar(&s.media, "media", "", "")
	flags.StringVar(&s.cors, "cors", "", "")
	flags.IntVar(&s.rate, "rate", 0, "")
	flags.BoolVar(&s.verbose, "verbose", false, "")
	if err := parse(flags, args); err != nil {
		return err
	}
	if s.file != "" && s.memory {
		return fmt.Errorf("serve: --db and --memory exclude each other: %w", errUsage)
	}
	if s.media != "" {
		if err := os.MkdirAll(s.media, 0o700); err != nil {
			return err
		}
		fmt.Fprintln(log, "siftdb: this version stores no files; --media is kept for later")
	}
	authenticator, err := s.authenticator(out)
	if err != nil {
		return err
	}
	db, err := s.open(ctx)
	if err != nil {
		return err
	}
	return errors.Join(s.listen(ctx, db, authenticator, out, log, nil), db.Close())
}

// open opens the database.
func (s *settings) open(ctx context.Context) (*siftdb.DB, error) {
	if s.file == "" {
		return siftdb.OpenMemory(nil)
	}
	return siftdb.Open(ctx, s.file, nil)
}

// authenticator reads the tokens, or makes one and tells it.
func (s *settings) authenticator(out io.Writer) (rest.Authenticator, error) {
	if s.tokens != "" {
		return rest.OpenTokenFile(s.tokens)
	}
	secret := newToken()
	fmt.Fprintln(out, "admin token:", secret)
	return rest.Tokens(rest.Token{ID: 1, Token: secret, Admin: true})
}

// newToken returns a token of 256 random bits.
func newToken() string {
	var b [32]byte
	rand.Read(b[:])
	return "eu--" + hex.EncodeToString(b[:])
}

// How long the server waits: for the header of a request, for the next request on a connection,
// and at the end for requests that are still running.
const (
	headerTimeout = 10 * time.Second
	idleTimeout   = 2 * time.Minute
	stopTimeout   = 10 * time.Second
)

// listen serves until the context ends, then waits for the requests that are running. ready, if
// given, is called with the address.
func (s *settings) listen(ctx context.Context, db *siftdb.DB, authenticator rest.Authenticator, out, log io.Writer, ready func(url string)) error {
	level := slog.LevelWarn
	if s.verbose {
		level = slog.LevelInfo
	}
	logger := slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: level}))
	options := rest.Options{Authenticator: authenticator, Logger: logger, RateLimit: rest.RateLimit{Requests: s.rate}}
	if s.cors != "" {
		options.CORS = &rest.CORS{Origins: []string{s.cors}}
	}
	handler, err := rest.NewHandler(db, options)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", s.addr)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout,
		ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelWarn)}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	url := "http://" + listener.Addr().String()
	fmt.Fprintln(out, "listening on", url)
	if ready != nil {
		ready(url)
	}
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	return shutDown(server)
}

// shutDown ends a server: no new requests, and those that run get some time.
func shutDown(server *http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	err := server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		return server.Close()
	}
	return err
}
