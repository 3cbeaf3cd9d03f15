package rest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/siftdb/siftdb/security"
)

// Token is one token of a list, with what its owner may do: the form of the command's token file.
type Token struct {
	ID int64 `json:"id"`
	// Token is the secret. A list can hold its SHA-256 instead, in 64 hex digits.
	Token  string `json:"token,omitempty"`
	SHA256 string `json:"sha256,omitempty"`
	// Admin tokens may do everything; the rules are for the others.
	Admin bool `json:"admin,omitempty"`
	// AppID and OrganizationID bind the token; without an organization it belongs to every one.
	AppID          *int64 `json:"appId,omitempty"`
	OrganizationID *int64 `json:"organizationId,omitempty"`
	// User is the columns of the logged-in user. Without UserID and so on, its id, firstName,
	// lastName and email (also Email) are those of the account.
	User map[string]any `json:"user,omitempty"`
	// EntryID and DataSourceID name the entry that the user logged in with.
	EntryID      int64 `json:"entryId,omitempty"`
	DataSourceID int64 `json:"dataSourceId,omitempty"`

	UserID        int64          `json:"userId,omitempty"`
	Email         string         `json:"email,omitempty"`
	FirstName     string         `json:"firstName,omitempty"`
	LastName      string         `json:"lastName,omitempty"`
	Organizations []Organization `json:"organizations,omitempty"`
}

// account turns the token into what a request is made with.
func (t *Token) account() *Account {
	p := &security.Principal{TokenID: t.ID, Admin: t.Admin, AppID: t.AppID, OrganizationID: t.OrganizationID,
		User: t.User, EntryID: t.EntryID, DataSourceID: t.DataSourceID}
	a := &Account{Principal: p, UserID: t.UserID, Email: t.Email, FirstName: t.FirstName, LastName: t.LastName, Organizations: t.Organizations}
	if n, ok := t.User["id"].(float64); ok && a.UserID == 0 && n >= 1 && n == float64(int64(n)) {
		a.UserID = int64(n)
	}
	for to, names := range map[*string][]string{
		&a.Email:     {"email", "Email"},
		&a.FirstName: {"firstName", "First Name"},
		&a.LastName:  {"lastName", "Last Name"},
	} {
		for _, name := range names {
			if text, ok := t.User[name].(string); ok && *to == "" {
				*to = text
			}
		}
	}
	return a
}

// TokenList is an Authenticator with a fixed list of tokens. It keeps their SHA-256 only, and
// looks tokens up by it: how long that takes tells nothing of a token.
type TokenList struct {
	accounts map[[sha256.Size]byte]*Account
}

// Tokens returns an Authenticator that knows a list of tokens.
func Tokens(tokens ...Token) (*TokenList, error) {
	list := &TokenList{accounts: make(map[[sha256.Size]byte]*Account, len(tokens))}
	for i := range tokens {
		t := &tokens[i]
		var sum [sha256.Size]byte
		switch {
		case t.ID <= 0:
			return nil, fmt.Errorf("rest: token %d of the list needs a positive id", i+1)
		case (t.Token == "") == (t.SHA256 == ""):
			return nil, fmt.Errorf("rest: token %d of the list (id %d) needs either a token or a sha256", i+1, t.ID)
		case t.Token != "":
			sum = sha256.Sum256([]byte(t.Token))
		default:
			b, err := hex.DecodeString(t.SHA256)
			if err != nil || len(b) != len(sum) {
				return nil, fmt.Errorf("rest: the sha256 of token %d of the list (id %d) is not 64 hex digits", i+1, t.ID)
			}
			copy(sum[:], b)
		}
		if list.accounts[sum] != nil {
			return nil, fmt.Errorf("rest: token %d of the list (id %d) stands in it twice", i+1, t.ID)
		}
		list.accounts[sum] = t.account()
	}
	return list, nil
}

// Authenticate returns the account of a token.
func (l *TokenList) Authenticate(_ context.Context, token string) (*Account, error) {
	if a := l.accounts[sha256.Sum256([]byte(token))]; a != nil {
		return a, nil
	}
	return nil, ErrUnknownToken
}

// TokenFile is an Authenticator with the tokens of a file, a JSON list of Token. It notices when
// the file changes, so a token that is taken out of it is refused from then on. While the file
// cannot be read, nobody is let in.
type TokenFile struct {
	path string

	mu   sync.Mutex
	info os.FileInfo // of what was read
	read time.Time
	list *TokenList
}

// OpenTokenFile reads a file of tokens.
func OpenTokenFile(path string) (*TokenFile, error) {
	f := &TokenFile{path: path}
	_, err := f.current()
	return f, err
}

// Authenticate returns the account of a token, as the file says now.
func (f *TokenFile) Authenticate(ctx context.Context, token string) (*Account, error) {
	list, err := f.current()
	if err != nil {
		return nil, err
	}
	return list.Authenticate(ctx, token)
}

// settled is how old a file must be before its time tells two states of it apart.
const settled = 2 * time.Second

// current returns the tokens in the file, which it reads again when it looks changed.
func (f *TokenFile) current() (*TokenList, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	info, err := os.Stat(f.path)
	if err != nil {
		return nil, err
	}
	if f.list != nil && os.SameFile(info, f.info) && info.Size() == f.info.Size() && info.ModTime().Equal(f.info.ModTime()) &&
		f.read.Sub(info.ModTime()) > settled {
		return f.list, nil
	}
	now := time.Now()
	text, err := os.ReadFile(f.path)
	if err != nil {
		return nil, err
	}
	list, err := parseTokens(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.path, err)
	}
	f.info, f.read, f.list = info, now, list
	return list, nil
}

// parseTokens reads a JSON list of tokens. A key that no token has is an error: an admin without
// the right spelling should not go unnoticed.
func parseTokens(text []byte) (*TokenList, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	var tokens []Token
	if err := dec.Decode(&tokens); err != nil {
		return nil, fmt.Errorf("rest: the tokens cannot be read: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("rest: something follows the list of tokens")
	}
	if slices.ContainsFunc(tokens, func(t Token) bool {
		return t.OrganizationID != nil && *t.OrganizationID <= 0 || t.AppID != nil && *t.AppID <= 0
	}) {
		return nil, errors.New("rest: the organization and app of a token are positive ids")
	}
	return Tokens(tokens...)
}
