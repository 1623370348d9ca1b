package httpapi

import (
	"errors"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"paymentd/core/apikey"
)

// Keys knows who may call. A *keycache.Cache is one.
type Keys interface {
	// Check returns the key that a caller shows; without an id, where no key is needed. The text
	// is empty where none is shown. Its errors are apikey.ErrMissing, apikey.ErrUnknown,
	// apikey.ErrMistyped, and ports.ErrUnavailable. It must be fast.
	Check(text string) (*apikey.Key, error)
	// Ready returns nil once it is known who may call.
	Ready() error
}

// The challenges to a caller (RFC 6750, section 3). The first is for one who shows no key at all.
const (
	challenge        = `Bearer realm="paymentd"`
	challengeInvalid = challenge + `, error="invalid_token"`
	challengeScope   = challenge + `, error="insufficient_scope", scope=`
)

// authenticated lets only requests through that show a key as a bearer token (RFC 6750, section
// 2.1), one that has one of the scopes.
func (a *api) authenticated(next echo.HandlerFunc, anyOf ...apikey.Scope) echo.HandlerFunc {
	needed := apikey.Scopes(anyOf)
	refusedScope := refuse(problemScope).saying(
		"the API key may not do this; use one that has the scope " + strings.ReplaceAll(needed.String(), ",", " or "))
	return func(c echo.Context) error {
		key, err := a.options.Keys.Check(bearer(c.Request().Header))
		if err != nil {
			return challenged(c, err)
		}
		if key.ID == "" { // no key is needed
			if err := a.checkHost(c.Request()); err != nil {
				return err
			}
		}
		noteOf(c).caller = caller{ID: string(key.ID), Name: string(key.Name)}
		if !key.Scopes.Allow(anyOf...) {
			c.Response().Header().Set(echo.HeaderWWWAuthenticate, challengeScope+`"`+string(needed[0])+`"`)
			return refusedScope
		}
		return next(c)
	}
}

// challenged tells a caller how to show a key.
func challenged(c echo.Context, err error) error {
	header := c.Response().Header()
	switch {
	case errors.Is(err, apikey.ErrMissing):
		header.Set(echo.HeaderWWWAuthenticate, challenge)
		return refuse(problemNoKey)
	case errors.Is(err, apikey.ErrMistyped):
		header.Set(echo.HeaderWWWAuthenticate, challengeInvalid)
		return refuse(problemKey).saying("the API key was cut off or mistyped; show the whole of it, " +
			"in the header Authorization: Bearer KEY")
	case errors.Is(err, apikey.ErrUnknown):
		header.Set(echo.HeaderWWWAuthenticate, challengeInvalid)
		return refuse(problemKey)
	}
	return err
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
