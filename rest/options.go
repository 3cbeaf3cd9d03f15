package rest

import (
	"context"
	"log/slog"
	"time"
)

// Options are the settings of a handler. The zero value serves public data sources only, since
// it knows no tokens.
type Options struct {
	// Authenticator knows the tokens. Nil knows none.
	Authenticator Authenticator
	// Prefix is what stands in front of /v1/ in the paths of requests, such as "/api". What is
	// percent-encoded in it counts as what it stands for: "/my app" is "/my%20app". A program
	// that uses http.StripPrefix leaves it empty: URLs of files begin with what was stripped too.
	// What a proxy strips before it passes a request on cannot be known here; let it pass the
	// whole path, or set siftdb.Options.MediaURL.
	Prefix string
	// StatusOK answers the insert and the update of an entry with 200, as the newer edition of
	// the documentation has it. The default is 201, the seed's word (spec Q51).
	StatusOK bool
	// Logger takes a line for each request, and what lies behind an answer 500 or 503. Tokens,
	// query strings and bodies are never logged. Nil logs nothing.
	Logger *slog.Logger
	// RateLimit bounds the requests of one token, or of one address without a known token. The
	// zero value has no bound.
	RateLimit RateLimit
	// CORS lets pages of other origins call the handler. Nil lets none.
	CORS *CORS
	// BodyLimit bounds the body of a request in bytes; 0 means 64 MiB. BulkLimit is that of
	// imports and commits; 0 means 1 GB (spec 14.7).
	BodyLimit, BulkLimit int64
	// ReadTimeout is how long a client may take to send a body, besides a second for each 16 KiB
	// of it. WriteTimeout is how long it may take to accept a part of an answer. 0 means a
	// minute, a negative value no limit.
	ReadTimeout, WriteTimeout time.Duration
	// InUse tells which data sources an app uses besides its own, for lists that ask for
	// includeInUse (spec 12.3). Nil tells of none.
	InUse func(ctx context.Context, appID int64) ([]int64, error)
	// Now is the clock of the rate limit; nil means time.Now.
	Now func() time.Time
}

// RateLimit allows a number of requests in each window of time.
type RateLimit struct {
	Requests int           // 0 means no limit
	Window   time.Duration // 0 means 10 seconds
}

// CORS names the origins of other pages that may call the handler from a browser.
type CORS struct {
	// Origins are origins such as "https://app.example.org", or "*" for all of them.
	Origins []string
	// MaxAge is how long a browser may remember the answer to its preflight; 0 leaves that to
	// the browser.
	MaxAge time.Duration
}

// allows reports whether pages of an origin may call.
func (c *CORS) allows(origin string) bool {
	for _, o := range c.Origins {
		if o == "*" || o == origin {
			return true
		}
	}
	return false
}

const (
	defaultBodyLimit = 64 << 20
	defaultBulkLimit = 1 << 30
	defaultTimeout   = time.Minute
	defaultWindow    = 10 * time.Second
)

// withDefaults returns the options with every default filled in.
func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.BodyLimit <= 0 {
		o.BodyLimit = defaultBodyLimit
	}
	if o.BulkLimit <= 0 {
		o.BulkLimit = defaultBulkLimit
	}
	if o.ReadTimeout == 0 {
		o.ReadTimeout = defaultTimeout
	}
	if o.WriteTimeout == 0 {
		o.WriteTimeout = defaultTimeout
	}
	if o.RateLimit.Window <= 0 {
		o.RateLimit.Window = defaultWindow
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}
