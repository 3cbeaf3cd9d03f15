package rest

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/security"
)

// handler serves one database.
type handler struct {
	db      *siftdb.DB // with full rights: only to find out who may do what
	options Options
	routes  []*route
	limiter *limiter
	origins *http.CrossOriginProtection
	openapi []byte
	prefix  prefix
}

// NewHandler returns a handler that serves a database. The database stays the caller's: close it
// when no request is running any more.
func NewHandler(db *siftdb.DB, options Options) (http.Handler, error) {
	if db == nil {
		return nil, errors.New("rest: there is no database to serve")
	}
	at, err := parsePrefix(options.Prefix)
	if err != nil {
		return nil, err
	}
	h := &handler{db: db.WithPrefix(at.String()), prefix: at, options: options.withDefaults(), routes: routeTable(), origins: http.NewCrossOriginProtection()}
	if options.CORS != nil {
		for _, origin := range options.CORS.Origins {
			if origin == "*" {
				continue
			}
			if err := h.origins.AddTrustedOrigin(origin); err != nil {
				return nil, errors.New("rest: " + err.Error())
			}
		}
	}
	if options.RateLimit.Requests > 0 {
		h.limiter = newLimiter(h.options.RateLimit, h.options.Now)
	}
	h.openapi, err = describe(h.routes, h.options, h.prefix)
	return h, err
}

// call is one request on its way through the handler.
type call struct {
	h       *handler
	w       *answer
	r       *http.Request
	id      string // the request's
	began   time.Time
	route   *route
	params  map[string]string // parts of the path
	query   *form
	account *Account // nil for a caller without a token
	token   string   // the caller's, which only GET v1/user tells again
	who     *security.Principal
	db      *siftdb.DB // acts for the caller

	bodyRead bool // to its end
}

// ServeHTTP answers one request.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &call{h: h, w: &answer{ResponseWriter: w}, r: r, id: requestID(r), began: time.Now()}
	defer c.end()
	c.patienceFor(0) // that of the request before is over
	header := w.Header()
	header.Set("X-Request-Id", c.id)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Cache-Control", "no-store") // answers depend on who asks
	if err := c.serve(); err != nil {
		c.fail(err)
	}
}

// serve takes the request through every step up to its endpoint.
func (c *call) serve() error {
	path, ok := c.h.prefix.cut(c.r.URL.EscapedPath())
	if !ok {
		return notFoundPath()
	}
	segments, err := splitPath(path)
	if err != nil {
		return err
	}
	if c.query, err = parseQueryString(c.r.URL.RawQuery); err != nil {
		return err
	}
	found := match(c.h.routes, segments, c.byName())
	if c.cors(found) {
		return nil
	}
	if err := c.choose(found); err != nil {
		return err
	}
	if err := c.admit(); err != nil {
		return err
	}
	return c.route.handle(c)
}

// choose takes the route of the request's method (405 of spec 1.6).
func (c *call) choose(found []matched) error {
	if len(found) == 0 {
		return notFoundPath()
	}
	method := c.r.Method
	if method == http.MethodHead {
		method = http.MethodGet // net/http drops the body
	}
	for _, m := range found {
		if m.route.method == method {
			c.route, c.params = m.route, m.params
			return nil
		}
	}
	c.w.Header().Set("Allow", allowed(found))
	return &problem{status: http.StatusMethodNotAllowed, kind: "method not allowed",
		message: "This path does not take " + clip(c.r.Method, 20) + ", but " + allowed(found) + "."}
}

// admit finds out who asks, and whether such a caller may come to this endpoint at all. What the
// rules of a data source say is asked by the database.
func (c *call) admit() error {
	if c.route.rights == open {
		return nil
	}
	err := c.authenticate()
	if tooMany := c.throttle(); tooMany != nil {
		return tooMany
	}
	switch {
	case err != nil:
		return err
	case c.account == nil && c.route.rights != public:
		return unauthorised()
	case c.route.rights == admin && !c.who.Admin:
		return forbidden("This token does not manage data sources.")
	}
	c.db = c.h.db.As(c.who)
	if mount := mountOf(c.r); mount != "" { // the URLs of files lead through it
		c.db = c.db.WithPrefix(mount + c.h.prefix.String())
	}
	return nil
}

// end logs the request, and answers one that panicked.
func (c *call) end() {
	v := recover()
	if v != nil && v != http.ErrAbortHandler {
		c.h.options.Logger.Error("panic", "request", c.id, "route", c.routeName(), "panic", v, "stack", string(debug.Stack()))
		v = nil
		if c.w.status == 0 {
			c.fail(&problem{status: http.StatusInternalServerError, kind: "internal error", message: unforeseen})
		} else {
			v = http.ErrAbortHandler // the answer is cut off, and must not look whole
		}
	}
	c.patienceFor(c.h.options.WriteTimeout) // for what net/http still holds
	c.drain()
	level := slog.LevelInfo
	if c.w.status >= 500 {
		level = slog.LevelWarn
	}
	var token int64
	if c.who != nil {
		token = c.who.TokenID
	}
	c.h.options.Logger.Log(c.r.Context(), level, "request", "request", c.id, "method", clip(c.r.Method, 20), "route", c.routeName(),
		"status", c.w.status, "bytes", c.w.written, "duration", time.Since(c.began), "token", token, "cut", v != nil)
	if v != nil {
		panic(v)
	}
}

// routeName is the pattern of the route, for logs: a path can hold what nobody wants in them.
func (c *call) routeName() string {
	if c.route == nil {
		return "none"
	}
	return c.route.pattern
}

// byName reports whether the parameter dsn makes a data source of digits a name (spec 12.1).
func (c *call) byName() bool {
	values, ok := c.query.texts("dsn")
	if !ok {
		return false
	}
	for _, v := range values {
		if v == "false" || v == "0" {
			return false
		}
	}
	return true
}

// requestID takes the id that the client or a proxy gave, if it is a sane one, or makes one.
func requestID(r *http.Request) string {
	id := r.Header.Get("X-Request-Id")
	sane := id != "" && len(id) <= 128
	for i := 0; sane && i < len(id); i++ {
		c := id[i]
		sane = c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || strings.IndexByte("-_.:/+=", c) >= 0
	}
	if sane {
		return id
	}
	var b [12]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// cors adds what browsers want to know of a call from another origin, and answers their
// preflight. It reports whether the request is answered.
func (c *call) cors(found []matched) bool {
	if c.h.options.CORS == nil {
		return false
	}
	header := c.w.Header()
	header.Add("Vary", "Origin")
	origin := c.r.Header.Get("Origin")
	if origin == "" || !c.h.options.CORS.allows(origin) {
		return false
	}
	header.Set("Access-Control-Allow-Origin", origin)
	header.Set("Access-Control-Expose-Headers", "X-Request-Id, Retry-After")
	if c.r.Method != http.MethodOptions || c.r.Header.Get("Access-Control-Request-Method") == "" || len(found) == 0 {
		return false
	}
	header.Set("Access-Control-Allow-Methods", allowed(found))
	header.Set("Access-Control-Allow-Headers", "Auth-Token, Authorization, Content-Type, X-Request-Id")
	if age := c.h.options.CORS.MaxAge; age > 0 {
		header.Set("Access-Control-Max-Age", itoa(int64(age/time.Second)))
	}
	c.w.WriteHeader(http.StatusNoContent)
	return true
}
