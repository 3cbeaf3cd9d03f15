package rest

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/security"
)

// ErrUnknownToken is what an Authenticator returns for a token that does not exist, or no more.
var ErrUnknownToken = errors.New("rest: unknown token")

// Authenticator finds out whose token a request carries.
type Authenticator interface {
	// Authenticate returns the account of a token, ErrUnknownToken for one that is unknown or
	// revoked, and another error when that cannot be found out, which answers 503. It is called
	// for every request, so that revoking takes effect at once, and by several goroutines.
	Authenticate(ctx context.Context, token string) (*Account, error)
}

// Account is what is known of the owner of a token.
type Account struct {
	// Principal is what rules and views see.
	Principal *security.Principal
	// UserID names the user in the versions of what the token writes; 0 for a token without one.
	UserID int64
	// Email, FirstName and LastName are the user's, for GET v1/user and for versions.
	Email, FirstName, LastName string
	// Organizations are those that the token belongs to, for GET v1/organizations. Nil means the
	// principal's, or for one that is bound to none all that own a data source.
	Organizations []Organization
}

// Organization is an organization and its name.
type Organization struct {
	ID   int64  `json:"id"`
	Name string `json:"name"`
}

// authenticate finds out who asks: the token in the first of four places that holds one decides
// (spec 12.2). A caller without a token is anonymous; one whose token is wrong is refused.
func (c *call) authenticate() error {
	c.who = security.Anonymous()
	tokens, cookie, err := c.tokens()
	if err != nil || tokens == nil {
		return err
	}
	if cookie { // a browser sends it along, whoever made the page
		if err := c.h.origins.Check(c.r); err != nil {
			return forbidden("A cookie does not authorise a write from a page of another origin.")
		}
	}
	if c.h.options.Authenticator == nil {
		return unauthorised()
	}
	for _, token := range tokens {
		account, err := c.h.options.Authenticator.Authenticate(c.r.Context(), token)
		switch {
		case errors.Is(err, ErrUnknownToken), err == nil && (account == nil || account.Principal == nil):
			continue
		case err != nil:
			return &problem{status: http.StatusServiceUnavailable, kind: "unavailable", message: "Tokens cannot be checked at the moment.", cause: err}
		}
		c.account, c.who, c.token = account, account.Principal, token
		return nil
	}
	return unauthorised()
}

// tokens returns the token of the request, in the forms in which it may be known; nil when there is
// none. It reports whether it came as a cookie.
func (c *call) tokens() (tokens []string, cookie bool, err error) {
	if t := strings.TrimSpace(c.r.Header.Get("Auth-Token")); t != "" {
		return []string{t}, false, nil
	}
	if scheme, value, ok := strings.Cut(strings.TrimSpace(c.r.Header.Get("Authorization")), " "); ok && strings.EqualFold(scheme, "Bearer") {
		return bearer(strings.TrimSpace(value)), false, nil
	}
	t, given, err := c.query.text("auth_token")
	if err != nil || given && t != "" {
		return []string{t}, false, err
	}
	if k, err := c.r.Cookie("auth_token"); err == nil && k.Value != "" {
		return []string{k.Value}, true, nil
	}
	return nil, false, nil
}

// bearer returns what a Bearer header may mean: the base64 of a token, or the token itself (spec
// Q57).
func bearer(value string) []string {
	for _, enc := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
		if text, err := enc.DecodeString(value); err == nil && len(text) > 0 {
			return []string{string(text), value}
		}
	}
	return []string{value}
}

// writer names the user who makes a write, for its version (spec 9.2).
func (c *call) writer(source string) []siftdb.WriteOption {
	var options []siftdb.WriteOption
	if c.account != nil && c.account.UserID != 0 {
		options = append(options, siftdb.ByUser(siftdb.User{ID: c.account.UserID, FirstName: c.account.FirstName, LastName: c.account.LastName}))
	}
	if source != "" {
		options = append(options, siftdb.WithSource(source))
	}
	return options
}
