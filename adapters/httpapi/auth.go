package httpapi

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"
)

// staticIDBytes is how much of a static key's hash is in its id: enough to tell some keys apart.
const staticIDBytes = 4

// staticKey is an API key as it is kept: its hash, of one length, so that a comparison tells
// nothing of the key.
type staticKey struct {
	hash   [sha256.Size]byte
	caller caller
}

// keyring is the API keys that callers may show.
type keyring []staticKey

func newKeyring(keys []string) keyring {
	ring := make(keyring, 0, len(keys))
	for _, key := range keys {
		hash := sha256.Sum256([]byte(key))
		id := "static-" + hex.EncodeToString(hash[:staticIDBytes])
		ring = append(ring, staticKey{hash: hash, caller: caller{ID: id}})
	}
	return ring
}

// find compares key with each of the ring, in constant time.
func (r keyring) find(key string) (caller, bool) {
	hash, found := sha256.Sum256([]byte(key)), -1
	for i := range r {
		found = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(hash[:], r[i].hash[:]), i, found)
	}
	if found < 0 {
		return caller{}, false
	}
	return r[found].caller, true
}

// authenticated lets only requests through that show one of the keys as a bearer token
// (RFC 6750, section 2.1). Without any key configured, everyone may call: the application
// then serves a loopback address only.
func (a *api) authenticated(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if len(a.keys) == 0 {
			return next(c)
		}
		who, known := a.keys.find(bearer(c.Request().Header))
		if !known {
			c.Response().Header().Set(echo.HeaderWWWAuthenticate, `Bearer realm="paymentd"`)
			return refuse(problemNoKey)
		}
		c.Set(callerKey, who)
		return next(c)
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
