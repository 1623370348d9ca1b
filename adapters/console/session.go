package console

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"time"

	"paymentd/core/apikey"
	"paymentd/ports"
)

const (
	// cookieName is the name of the only cookie. Its value is a random token, of which the database has the hash.
	cookieName = "paymentd_console"
	// tokenBytes is the length of a token before it is encoded.
	tokenBytes = 32
	// sessionLifetime is how long a person stays signed in.
	sessionLifetime = time.Hour
	// noKeyName is who acts while no API key is required.
	noKeyName = "console without keys"
)

// session is who asks.
type session struct {
	token string // the value of the cookie; empty if there is none
	// key is that of the person who is signed in. Nil if none is.
	key *apikey.Key
	// open: no API key is required, so that everything is allowed.
	open bool
}

// by names the person in the history.
func (s session) by() string {
	switch {
	case s.open || s.key == nil:
		return noKeyName
	case s.key.Name != "":
		return string(s.key.Name)
	}
	return string(s.key.ID)
}

// allows reports whether the person may do what needs the scope.
func (s session) allows(scope apikey.Scope) bool {
	return s.open || s.key != nil && s.key.Scopes.Allow(scope)
}

// newToken returns a new value for the cookie.
func newToken() string {
	token := make([]byte, tokenBytes)
	_, _ = rand.Read(token) // never fails
	return base64.RawURLEncoding.EncodeToString(token)
}

// tokenOf returns the token in the request's cookie, or nothing if there is none that this program has made.
func tokenOf(r *http.Request) string {
	cookie, err := r.Cookie(cookieName)
	if err != nil {
		return ""
	}
	decoded, err := base64.RawURLEncoding.Strict().DecodeString(cookie.Value)
	if err != nil || len(decoded) != tokenBytes {
		return ""
	}
	return cookie.Value
}

// readSession finds out who asks. The key is read from the cache at each request, so that a session ends within
// seconds after its key was revoked.
func (c *Console) readSession(r *http.Request) (session, error) {
	s := session{token: tokenOf(r)}
	switch key, err := c.options.Keys.Check(""); {
	case err == nil && key.ID == "":
		s.open = true
		return s, nil
	case errors.Is(err, ports.ErrUnavailable):
		return s, err
	case s.token == "":
		return s, nil
	}
	stored, err := c.options.Sessions.Find(r.Context(), apikey.HashOf(s.token))
	switch {
	case errors.Is(err, ports.ErrNotFound):
		return s, nil
	case err != nil:
		return s, fmt.Errorf("find the session: %w", err)
	}
	key, err := c.options.Keys.Find(stored.Key)
	switch {
	case errors.Is(err, apikey.ErrUnknown), errors.Is(err, apikey.ErrExpired):
		return s, nil
	case err != nil:
		return s, err
	}
	s.key = key
	return s, nil
}

// setCookie sends the token to the browser for as long as the session lasts; an empty one deletes the cookie.
func (c *Console) setCookie(w http.ResponseWriter, token string) {
	cookie := &http.Cookie{ //nolint:gosec // Secure depends on whether the server accepts TLS only
		Name: cookieName, Value: token, Path: Root, MaxAge: int(sessionLifetime / time.Second),
		HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: c.options.WithTLS,
	}
	if token == "" {
		cookie.MaxAge = -1
	}
	http.SetCookie(w, cookie)
}
