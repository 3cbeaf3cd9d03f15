package main

import (
	"context"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"sync"
	"time"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/rest"
	"github.com/siftdb/siftdb/security"
)

// user is an entry of Users.
type user struct {
	Email, Role string
	Salt, Key   string // of the password
}

// setPassword keeps what a password can be checked by.
func (u *user) setPassword(password string) (err error) {
	u.Salt = rand.Text()
	u.Key, err = u.derive(password)
	return err
}

func (u *user) derive(password string) (string, error) {
	key, err := pbkdf2.Key(sha256.New, password, []byte(u.Salt), 100_000, 32)
	return hex.EncodeToString(key), err
}

// sessions are the users who are logged in, by their tokens. It is the Authenticator of the
// REST handler.
type sessions struct {
	users *siftdb.Table[user]

	mu   sync.Mutex
	open map[string]session
}

// session is what is known of a user who has logged in.
type session struct {
	id   int64 // of the entry
	user user
	ends time.Time
}

const sessionTime = 12 * time.Hour

// Authenticate finds the account of a token. The rules see the columns of User.
func (s *sessions) Authenticate(_ context.Context, token string) (*rest.Account, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	in, ok := s.open[token]
	if !ok || time.Now().After(in.ends) {
		delete(s.open, token)
		return nil, rest.ErrUnknownToken
	}
	return &rest.Account{
		UserID: in.id,
		Email:  in.user.Email,
		Principal: &security.Principal{
			TokenID: in.id,
			User:    map[string]any{"Email": in.user.Email, "Role": in.user.Role},
		},
	}, nil
}

// login opens a session. Its token goes into the cookie that the REST handler looks at;
// programs may send it as a bearer token instead.
func (s *sessions) login(w http.ResponseWriter, r *http.Request) {
	row, err := s.users.FindOne(r.Context(), siftdb.Query{Where: siftdb.M{"Email": r.PostFormValue("email")}})
	if err != nil {
		http.Error(w, "Nobody can log in at the moment.", http.StatusServiceUnavailable)
		return
	}
	var u user // nobody: a password is checked all the same, which takes as long
	if row != nil {
		u = row.Value
	}
	key, err := u.derive(r.PostFormValue("password"))
	if err != nil || subtle.ConstantTimeCompare([]byte(key), []byte(u.Key)) != 1 {
		http.Error(w, "Wrong email or password.", http.StatusForbidden)
		return
	}
	token := rand.Text()
	s.mu.Lock()
	s.open[token] = session{id: row.ID, user: u, ends: time.Now().Add(sessionTime)}
	s.mu.Unlock()
	// In earnest also Secure: true, behind TLS.
	http.SetCookie(w, &http.Cookie{Name: "auth_token", Value: token, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode})
	w.WriteHeader(http.StatusNoContent)
}

// logout ends the session of the cookie, at once and everywhere.
func (s *sessions) logout(w http.ResponseWriter, r *http.Request) {
	if c, err := r.Cookie("auth_token"); err == nil {
		s.mu.Lock()
		delete(s.open, c.Value)
		s.mu.Unlock()
	}
	w.WriteHeader(http.StatusNoContent)
}
