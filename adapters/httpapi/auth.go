package httpapi

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"
)

// keyring is the API keys that callers may show, as their hashes: of one length, so that a
// comparison tells nothing of a key.
type keyring [][sha256.Size]byte

func newKeyring(keys []string) keyring {
	ring := make(keyring, 0, len(keys))
	for _, key := range keys {
		ring = append(ring, sha256.Sum256([]byte(key)))
	}
	return ring
}

// has compares key with each of the ring, in constant time.
func (r keyring) has(key string) bool {
	hash, found := sha256.Sum256([]byte(key)), 0
	for i := range r {
		found |= subtle.ConstantTimeCompare(hash[:], r[i][:])
	}
	return found == 1
}

// authenticated lets only requests through that show one of the keys as a bearer token
// (RFC 6750, section 2.1). Without any key configured, everyone may call: the application
// then serves a loopback address only.
func (a *api) authenticated(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if len(a.keys) == 0 || a.keys.has(bearer(c.Request().Header)) {
			return next(c)
		}
		c.Response().Header().Set(echo.HeaderWWWAuthenticate, `Bearer realm="paymentd"`)
		return refuse(problemNoKey)
	}
}

// bearer returns the token of the Authorization header; empty where it has none, or more
// than one. The name of the scheme ignores case (RFC 9110, section 11.1).
func bearer(h http.Header) string {
	values := h.Values(echo.HeaderAuthorization)
	if len(values) != 1 {
		return ""
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "bearer") {
		return ""
	}
	return strings.TrimLeft(token, " ")
}
