package rest

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestTokens(t *testing.T) {
	sum := sha256.Sum256([]byte("eu--hashed"))
	list, err := Tokens(Token{ID: 1, Token: "eu--plain"}, Token{ID: 2, SHA256: hex.EncodeToString(sum[:]), User: map[string]any{"id": 7.0, "Email": "a@b", "First Name": "A", "lastName": "B"}})
	if err != nil {
		t.Fatal(err)
	}
	a, err := list.Authenticate(ctx, "eu--hashed")
	if err != nil || a.Principal.TokenID != 2 || a.UserID != 7 || a.Email != "a@b" || a.FirstName != "A" || a.LastName != "B" {
		t.Errorf("%+v %v", a, err)
	}
	for _, token := range []string{"", "eu--", "EU--PLAIN", "eu--plain ", hex.EncodeToString(sum[:])} {
		if _, err := list.Authenticate(ctx, token); !errors.Is(err, ErrUnknownToken) {
			t.Errorf("%q: %v", token, err)
		}
	}
	for _, bad := range [][]Token{
		{{ID: 0, Token: "x"}}, {{ID: -1, Token: "x"}}, {{ID: 1}}, {{ID: 1, Token: "x", SHA256: "y"}}, {{ID: 1, SHA256: "zz"}}, {{ID: 1, SHA256: "abcd"}}, {{ID: 1, Token: "x"}, {ID: 2, Token: "x"}},
	} {
		if _, err := Tokens(bad...); err == nil || strings.Contains(err.Error(), `"x"`) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}

// TestTokenFile takes tokens out of a file, and puts some in.
func TestTokenFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tokens.json")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := OpenTokenFile(path); err == nil {
		t.Error("a file that is not there is taken")
	}
	for _, bad := range []string{``, `{}`, `[`, `[]x`, `[{"id": 1, "token": "x", "amdin": true}]`, `[{"id": "1", "token": "x"}]`, `[{"id": 1, "token": "x", "organizationId": 0}]`, `[{"id": 1}]`} {
		write(bad)
		if _, err := OpenTokenFile(path); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
	write(`[{"id": 1, "token": "a"}, {"id": 2, "token": "b", "admin": true, "user": {"Email": "x"}}]`)
	f, err := OpenTokenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	known := func(token string) bool {
		t.Helper()
		_, err := f.Authenticate(ctx, token)
		if err != nil && !errors.Is(err, ErrUnknownToken) {
			t.Fatal(err)
		}
		return err == nil
	}
	if !known("a") || !known("b") || known("c") {
		t.Error("the tokens are wrong")
	}
	write(`[{"id": 1, "token": "c"}, {"id": 2, "token": "b", "admin": true, "user": {"Email": "x"}}]`) // as long as before
	if known("a") || !known("b") || !known("c") {
		t.Error("the change went unnoticed")
	}
	old := time.Now().Add(-time.Hour) // a file that has been as it is for long is not read again
	if err := os.Chtimes(path, old, old); err != nil {
		t.Fatal(err)
	}
	first := known("b") && f.list != nil
	before := f.list
	if !first || !known("b") || f.list != before {
		t.Error("the file is read each time")
	}
	write(`[`)
	if _, err := f.Authenticate(ctx, "b"); err == nil || errors.Is(err, ErrUnknownToken) {
		t.Errorf("with a broken file: %v", err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Authenticate(ctx, "b"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a file: %v", err)
	}
}
