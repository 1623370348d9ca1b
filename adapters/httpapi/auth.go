package httpapi

import (
	"errors"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"paymentd/core/apikey"
)

// Keys authenticates callers. A *keycache.Cache is one.
type Keys interface {
	// Check returns the API key that a caller sent, or a key without an id if none is required. The
	// text is empty if the caller sent none. Its errors are apikey.ErrMissing, apikey.ErrUnknown,
	// apikey.ErrExpired, apikey.ErrMistyped, and ports.ErrUnavailable. It must be fast.
	Check(text string) (*apikey.Key, error)
	// Ready returns nil once the keys are loaded.
	Ready() error
}

// The challenges (RFC 6750, section 3). The first is for a request without a key.
const (
	challenge        = `Bearer realm="paymentd"`
	challengeInvalid = challenge + `, error="invalid_token"`
	challengeScope   = challenge + `, error="insufficient_scope", scope=`
	challengeLimits  = challenge + `, error="insufficient_scope"`
)

// authenticate admits only requests with a bearer token (RFC 6750, section 2.1) that is a key with
// one of the scopes.
func (a *api) authenticate(next echo.HandlerFunc, anyOf ...apikey.Scope) echo.HandlerFunc {
	needed := apikey.Scopes(anyOf)
	refusedScope := refuse(problemScope).withSentence(
		"the API key may not do this; use one that has the scope " + strings.ReplaceAll(needed.String(), ",", " or "))
	return func(c echo.Context) error {
		key, err := a.options.Keys.Check(bearer(c.Request().Header))
		if err != nil {
			return challengeFor(c, err)
		}
		if key.ID == "" { // no key is required
			if err := a.checkHost(c.Request()); err != nil {
				return err
			}
		}
		infoOf(c).caller = caller{ID: string(key.ID), Name: string(key.Name)}
		if !key.Scopes.Allow(anyOf...) {
			c.Response().Header().Set(echo.HeaderWWWAuthenticate, challengeScope+`"`+string(needed[0])+`"`)
			return refusedScope
		}
		if !key.Limits.IsZero() {
			if err := a.checkLimits(c, key.Limits); err != nil {
				return err
			}
		}
		return next(c)
	}
}

// challengeFor sets the challenge for an authentication error, and returns the refusal.
func challengeFor(c echo.Context, err error) error {
	header := c.Response().Header()
	switch {
	case errors.Is(err, apikey.ErrMissing):
		header.Set(echo.HeaderWWWAuthenticate, challenge)
		return refuse(problemNoKey)
	case errors.Is(err, apikey.ErrMistyped):
		header.Set(echo.HeaderWWWAuthenticate, challengeInvalid)
		return refuse(problemKey).withSentence("the API key is incomplete or mistyped; send the whole key " +
			"in the header Authorization: Bearer KEY")
	case errors.Is(err, apikey.ErrExpired):
		header.Set(echo.HeaderWWWAuthenticate, challengeInvalid)
		return refuse(problemKey).withSentence("the API key has expired; use another one")
	case errors.Is(err, apikey.ErrUnknown):
		header.Set(echo.HeaderWWWAuthenticate, challengeInvalid)
		return refuse(problemKey)
	}
	return err
}

// bearer returns the token of the Authorization header, or nothing if there is no such header or
// more than one. The name of the scheme is case-insensitive (RFC 9110, section 11.1).
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
