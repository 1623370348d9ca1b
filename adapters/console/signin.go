package console

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"paymentd/core/apikey"
	"paymentd/ports"
)

// signInView is the page on which to sign in.
type signInView struct {
	Next    string // where to go afterwards
	Problem string // why the last try was refused; empty for the first
}

// next returns the page of the console that is to be shown after the sign-in, and the first one for anything else,
// so that the page leads to no other site. A path with empty or dot segments, which browsers resolve also if they are
// encoded (URL Standard, "double-dot URL path segment"), may lead out of the console.
func next(target string) string {
	u, err := url.Parse(target)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || strings.ContainsAny(target, "\\\r\n") {
		return Root
	}
	path := u.EscapedPath()
	for segment := range strings.SplitSeq(strings.TrimPrefix(path, "/"), "/") {
		if dots := strings.ReplaceAll(strings.ToLower(segment), "%2e", "."); dots == "" || dots == "." || dots == ".." {
			return Root
		}
	}
	if path != Root && !strings.HasPrefix(path, Root+"/") || strings.HasPrefix(path, Root+"/sign-") {
		return Root
	}
	return target
}

// showSignIn serves the page on which to sign in.
func (c *Console) showSignIn(v *visit) error {
	target := next(v.QueryParam("next"))
	if v.session.allows(apikey.ScopeRead) {
		return v.Redirect(http.StatusSeeOther, target)
	}
	return c.render(v, http.StatusOK, "signin", "Sign in", "", signInView{Next: target})
}

// signIn checks an API key, and makes a new session of it.
func (c *Console) signIn(v *visit) error {
	target := next(v.FormValue("next"))
	if v.session.open {
		return v.Redirect(http.StatusSeeOther, target)
	}
	refuse := func(status int, problem string) error {
		return c.render(v, status, "signin", "Sign in", "", signInView{Next: target, Problem: problem})
	}
	if refused, wait := c.signIns.take(c.options.ClientOf(v.Request())); refused {
		v.Response().Header().Set("Retry-After", wholeSeconds(wait))
		return refuse(http.StatusTooManyRequests, "Too many tries from this address. Wait "+wholeSeconds(wait)+" seconds and try again.")
	}
	key, err := c.options.Keys.Check(strings.TrimSpace(v.FormValue("key")))
	switch {
	case errors.Is(err, apikey.ErrMissing), errors.Is(err, apikey.ErrMistyped):
		return refuse(http.StatusUnauthorized, "The API key is incomplete or mistyped. Paste the whole key.")
	case errors.Is(err, apikey.ErrExpired):
		return refuse(http.StatusUnauthorized, "The API key has expired. Use another one.")
	case errors.Is(err, apikey.ErrUnknown):
		return refuse(http.StatusUnauthorized, "The API key is unknown or revoked. Use another one.")
	case err != nil:
		return err
	case !key.Scopes.Allow(apikey.ScopeRead):
		return refuse(http.StatusForbidden, "The API key may not read. Use one with the scope read or admin.")
	case !key.Limits.IsZero(): // the pages are about the orders of every key
		return refuse(http.StatusForbidden, "The API key is limited to some orders or gateways. Use one without limits.")
	}
	token := newToken()
	err = c.options.Sessions.Create(v.Request().Context(), ports.Session{Hash: apikey.HashOf(token), Key: key.ID, Lifetime: sessionLifetime})
	switch {
	case errors.Is(err, ports.ErrTooManySessions):
		return refuse(http.StatusServiceUnavailable, "Too many people are signed in. Sign out elsewhere, or wait until a session ends.")
	case err != nil:
		return err
	}
	c.setCookie(v.Response(), token)
	c.log.InfoContext(v.Request().Context(), "signed in to the console", "api_key_id", key.ID, "api_key", key.Name)
	return v.Redirect(http.StatusSeeOther, target)
}

// signOut ends the session, on every replica.
func (c *Console) signOut(v *visit) error {
	if v.session.key != nil {
		if err := c.options.Sessions.Delete(v.Request().Context(), apikey.HashOf(v.session.token)); err != nil {
			return err
		}
	}
	c.setCookie(v.Response(), "")
	return v.Redirect(http.StatusSeeOther, Root+"/sign-in")
}
