package rest

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"time"

	"github.com/siftdb/siftdb"
)

// problem is an error that this package found, with its status and body (spec 1.6).
type problem struct {
	status    int
	kind      string // the key "error"; none when empty
	message   string
	nextValid time.Time // of a 429
	denied    bool      // by access rules, whose answer has a form of its own
	source    int64     // the data source that they are of
	cause     error     // for the log only
}

func (p *problem) Error() string { return p.message }

func invalid(message string) error {
	return &problem{status: http.StatusBadRequest, kind: "invalid request", message: message}
}

func notFound(message string) error {
	return &problem{status: http.StatusNotFound, kind: "not found", message: message}
}

func notFoundPath() error { return notFound("There is nothing at this path.") }

func forbidden(message string) error {
	return &problem{status: http.StatusForbidden, kind: "forbidden", message: message}
}

// unauthorised is the answer to a token that is missing, unknown or revoked, in the words of the
// documentation (spec 1.6).
func unauthorised() error {
	return &problem{status: http.StatusUnauthorized, kind: "not authorised", message: "The auth_token provided doesn't belong to any user."}
}

// statusClientGone is for the log: nobody is there to read it.
const statusClientGone = 499

const (
	unforeseen  = "Something went wrong on the server. It has been logged under the request id."
	unavailable = "The database cannot do this at the moment. Nothing was changed."
	uncertain   = "It is not known whether the write was applied. The database takes no writes until it is opened again."
)

// The codes of siftdb.Error that lead to something else than 500.
const (
	codeNotFound     siftdb.Code = "not_found"
	codeInvalidQuery siftdb.Code = "invalid_query"
	codeInvalidInput siftdb.Code = "invalid_input"
	codeTooLarge     siftdb.Code = "too_large"
	codeConflict     siftdb.Code = "conflict"
	codeDenied       siftdb.Code = "access_denied"
	codeUnauthorised siftdb.Code = "unauthorised"
	codeForbidden    siftdb.Code = "forbidden"
	codeClosed       siftdb.Code = "closed"
	codeReadOnly     siftdb.Code = "read_only"
	codeUnknown      siftdb.Code = "unknown"
	codeFull         siftdb.Code = "storage_full"
	codeUnavailable  siftdb.Code = "unavailable"
	codeLocked       siftdb.Code = "locked"
	codeSnapshotGone siftdb.Code = "snapshot_gone"
)

// problemOf turns any error into what the client is told. What the server alone is to blame for is
// told in a plain sentence; its cause is for the log.
func problemOf(err error) *problem {
	var own *problem
	var e *siftdb.Error
	var tooLong *http.MaxBytesError
	switch {
	case errors.As(err, &own):
		return own
	case errors.As(err, &tooLong):
		return &problem{status: http.StatusRequestEntityTooLarge, kind: "payload too large",
			message: "The body of the request is larger than " + itoa(tooLong.Limit) + " bytes."}
	case errors.Is(err, context.Canceled):
		return &problem{status: statusClientGone, kind: "unavailable", message: "The client has gone."}
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return &problem{status: http.StatusServiceUnavailable, kind: "unavailable", message: "The request took too long.", cause: err}
	case errors.As(err, &e):
		return problemOfCode(e)
	}
	return &problem{status: http.StatusInternalServerError, kind: "internal error", message: unforeseen, cause: err}
}

// problemOfCode is problemOf for an error of the database: the one place where a code becomes a
// status.
func problemOfCode(e *siftdb.Error) *problem {
	switch e.Code {
	case codeInvalidQuery, codeInvalidInput, codeTooLarge:
		return &problem{status: http.StatusBadRequest, kind: "invalid request", message: e.Error()}
	case codeNotFound:
		return &problem{status: http.StatusNotFound, kind: "not found", message: e.Error()}
	case codeDenied:
		return &problem{status: http.StatusBadRequest, message: e.Message, denied: true, source: e.DataSourceID}
	case codeConflict:
		return &problem{status: http.StatusConflict, kind: "conflict", message: e.Error()}
	case codeUnauthorised:
		if e.Operation == siftdb.FileAccess { // spec 13.4
			return &problem{status: http.StatusUnauthorized, kind: siftdb.FileAccess, message: e.Message}
		}
		return problemOf(unauthorised())
	case codeForbidden:
		return &problem{status: http.StatusForbidden, kind: "forbidden", message: e.Message}
	case codeUnknown:
		return &problem{status: http.StatusServiceUnavailable, kind: "unavailable", message: uncertain, cause: e}
	case codeClosed, codeReadOnly, codeFull, codeUnavailable, codeLocked, codeSnapshotGone:
		return &problem{status: http.StatusServiceUnavailable, kind: "unavailable", message: unavailable, cause: e}
	}
	return &problem{status: http.StatusInternalServerError, kind: "internal error", message: unforeseen, cause: e}
}

// body returns the JSON of spec 1.6. Where the log tells more than the client is told, it names the
// request as the log does.
func (p *problem) body(request string) any {
	switch {
	case p.denied:
		type payload struct {
			DataSourceID int64 `json:"dataSourceId"`
		}
		return struct {
			Message string  `json:"message"`
			Type    string  `json:"type"`
			Payload payload `json:"payload"`
		}{p.message, "datasource.access", payload{p.source}}
	case !p.nextValid.IsZero():
		return struct {
			Message string `json:"message"`
			Next    string `json:"nextValidRequestDate"`
		}{p.message, p.nextValid.UTC().Format("2006-01-02T15:04:05.000Z")}
	}
	if p.status < http.StatusInternalServerError {
		request = ""
	}
	return struct {
		Error   string `json:"error"`
		Message string `json:"message"`
		Request string `json:"requestId,omitempty"`
	}{p.kind, p.message, request}
}

// fail answers with an error, unless the answer has begun: then it is cut off, so that the client
// does not take it for a whole one.
func (c *call) fail(err error) {
	p := problemOf(err)
	if p.cause != nil && c.r.Context().Err() == nil {
		c.h.options.Logger.Error("request failed", "request", c.id, "route", c.routeName(), "error", p.cause)
	}
	if c.w.status != 0 {
		panic(http.ErrAbortHandler)
	}
	if p.status == http.StatusUnauthorized {
		c.w.Header().Set("WWW-Authenticate", "Bearer")
	}
	text, _ := json.Marshal(p.body(c.id))
	c.w.begin(p.status, int64(len(text)))
	_, _ = c.w.Write(text) // a client that has gone hears nothing
}
