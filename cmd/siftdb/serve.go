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
	"time"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/media"
	"github.com/siftdb/siftdb/rest"
	"github.com/siftdb/siftdb/security"
	"github.com/siftdb/siftdb/security/script"
)

// settings are the flags of serve.
type settings struct {
	addr, file, tokens, media, cors, keys string
	memory, verbose, noLog                bool
	rate                                  int
}

// serve serves a database until the context ends.
func serve(ctx context.Context, args []string, out, log io.Writer) error {
	var s settings
	flags := newFlags("serve", out)
	flags.StringVar(&s.addr, "addr", "127.0.0.1:8080", "")
	flags.StringVar(&s.file, "db", "", "")
	flags.BoolVar(&s.memory, "memory", false, "")
	flags.BoolVar(&s.noLog, "no-log", false, "")
	flags.StringVar(&s.tokens, "tokens", "", "")
	flags.StringVar(&s.media, "media", "", "")
	flags.StringVar(&s.keys, "keys", "", "")
	flags.StringVar(&s.cors, "cors", "", "")
	flags.IntVar(&s.rate, "rate", 0, "")
	flags.BoolVar(&s.verbose, "verbose", false, "")
	if err := parse(flags, args); err != nil {
		return err
	}
	if s.file != "" && s.memory {
		return fmt.Errorf("serve: --db and --memory exclude each other: %w", errUsage)
	}
	if s.noLog && s.file == "" {
		return fmt.Errorf("serve: --no-log needs --db: %w", errUsage)
	}
	authenticator, err := s.authenticator(out)
	if err != nil {
		return err
	}
	keys, err := openKeys(s.keys)
	if err != nil {
		return err
	}
	logger := s.logger(log)
	options, scripts := withScripts(logger)
	defer scripts.Close()
	options.Keys = keys
	if s.media != "" {
		dir, err := media.Dir(s.media)
		if err != nil {
			return err
		}
		defer dir.Close()
		options.Media = dir
	}
	db, err := s.open(ctx, options)
	if err != nil {
		return err
	}
	if err = s.sweep(ctx, db, log); err == nil {
		err = s.listen(ctx, db, authenticator, out, logger, nil)
	}
	return errors.Join(err, db.Close())
}

// logger returns what the server writes its log with.
func (s *settings) logger(log io.Writer) *slog.Logger {
	level := slog.LevelWarn
	if s.verbose {
		level = slog.LevelInfo
	}
	return slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: level}))
}

// logDeliveries returns what logs deliveries that fail: the first try of each, and its end.
func logDeliveries(logger *slog.Logger) func(siftdb.DeliveryReport) {
	return func(r siftdb.DeliveryReport) {
		says := "a delivery failed, and is tried again"
		switch {
		case r.Err == nil || r.Tries > 1 && !r.Final:
			return
		case r.Dropped:
			says = "a delivery failed, and was dropped"
		case r.Final:
			says = "a delivery was given up"
		}
		logger.Warn(says, "delivery", r.ID, "dataSource", r.DataSourceID, "hook", r.Hook, "type", r.Type, "tries", r.Tries, "error", r.Err)
	}
}

// withScripts returns options of a database that runs the scripts of access rules and logs what
// cannot be sent, and what runs the scripts, which is to be closed after the database.
func withScripts(logger *slog.Logger) (*siftdb.Options, *script.Runner) {
	runner := script.New(script.Options{})
	return &siftdb.Options{Deliveries: siftdb.DeliveryOptions{Report: logDeliveries(logger)}, Scripts: runner, ScriptFailed: func(id int64, f security.ScriptFailure) {
		logger.Warn("the script of an access rule failed", "dataSource", id, "rule", f.Rule, "name", f.Name, "type", f.Type, "error", f.Err)
	}}, runner
}

// open opens the database.
func (s *settings) open(ctx context.Context, options *siftdb.Options) (*siftdb.DB, error) {
	if s.file == "" {
		return siftdb.OpenMemory(options)
	}
	options.NoLog = s.noLog
	return siftdb.Open(ctx, s.file, options)
}

// sweepAge is how old a file is that no record tells of before it is deleted.
const sweepAge = 24 * time.Hour

// sweep deletes files that uploads left behind which a crash has ended. A database in
// memory has no use for it: none of the files that it finds are its own.
func (s *settings) sweep(ctx context.Context, db *siftdb.DB, log io.Writer) error {
	if s.media == "" || s.file == "" {
		return nil
	}
	n, err := db.SweepMedia(ctx, sweepAge)
	if n > 0 {
		fmt.Fprintf(log, "siftdb: %d files of uploads that never ended were deleted\n", n)
	}
	return err
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
func (s *settings) listen(ctx context.Context, db *siftdb.DB, authenticator rest.Authenticator, out io.Writer, logger *slog.Logger, ready func(url string)) error {
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
