package console

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"paymentd/core/apikey"
	"paymentd/core/payment"
	"paymentd/ports"
)

// visit is one request to the console, and who makes it.
type visit struct {
	echo.Context

	session session
	// now is the time of this process at the request. Pages show times relative to it.
	now time.Time
}

// handler serves a visit. Its error becomes a page.
type handler func(*visit) error

// policy is the content security policy of the pages: that of /docs, with forms to this host.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
	"connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// maxFormBytes bounds the body of a request.
const maxFormBytes = 256 << 10

const misdirected = "without API keys this console is served only as localhost, by its loopback address, and under the names in " +
	"PAYMENTD_ALLOWED_HOSTS; open it under one of these"

// needsHost reports whether no API key is required and the request names another host, as after DNS rebinding.
func (c *Console) needsHost(r *http.Request) bool {
	key, err := c.options.Keys.Check("")
	return err == nil && key.ID == "" && !c.options.AcceptHost(r)
}

// visitor serves a request of anyone. A POST must come from one of our own forms.
func (c *Console) visitor(h handler) echo.HandlerFunc {
	return func(x echo.Context) error {
		header := x.Response().Header()
		header.Set("Content-Security-Policy", policy)
		header.Set("Cache-Control", "no-store")
		// Not no-referrer, with which browsers name no origin in the forms that they send.
		header.Set("Referrer-Policy", "same-origin")
		header.Set("Cross-Origin-Opener-Policy", "same-origin")
		if refused, wait := c.visits.take(c.options.ClientOf(x.Request())); refused {
			header.Set("Retry-After", wholeSeconds(wait))
			return x.String(http.StatusTooManyRequests, "too many requests from this address; wait "+wholeSeconds(wait)+" seconds and try again")
		}
		select {
		case c.slots <- struct{}{}:
			defer func() { <-c.slots }()
		default:
			header.Set("Retry-After", "1")
			return x.String(http.StatusServiceUnavailable, "the console renders too many pages at once; try again in a second")
		}
		v := &visit{Context: x, now: time.Now()}
		if err := c.serve(v, h); err != nil {
			return c.showError(v, err)
		}
		return nil
	}
}

func (c *Console) serve(v *visit, h handler) (err error) {
	r := v.Request()
	if c.needsHost(r) {
		return problem(http.StatusMisdirectedRequest, misdirected)
	}
	if v.session, err = c.readSession(r); err != nil {
		return err
	}
	if r.Method == http.MethodPost {
		r.Body = http.MaxBytesReader(v.Response(), r.Body, maxFormBytes)
		if err := r.ParseForm(); err != nil {
			return problem(http.StatusBadRequest, "the form is too large or malformed; go back, reload the page and send it again")
		}
		if !c.isOwnForm(r, v.session) {
			return problem(http.StatusForbidden, "the form is not one of this session; go back, reload the page and send it again")
		}
	} else if v.session.token == "" {
		v.session.token = newToken() // for the forms of the page
		c.setCookie(v.Response(), v.session.token)
	}
	return h(v)
}

// page serves a request of a person who is signed in with the scope. Others are led to the page on which to sign in.
func (c *Console) page(scope apikey.Scope, h handler) echo.HandlerFunc {
	return c.visitor(func(v *visit) error {
		switch {
		case v.session.allows(scope):
			return h(v)
		case v.session.key != nil && v.session.allows(apikey.ScopeRead):
			return problem(http.StatusForbidden, "your API key may only read; sign in with one that has the scope admin")
		}
		return c.leadToSignIn(v)
	})
}

func (c *Console) leadToSignIn(v *visit) error {
	target := Root + "/sign-in"
	if r := v.Request(); r.Method == http.MethodGet {
		target += "?next=" + url.QueryEscape(r.URL.RequestURI())
	}
	if v.Request().Header.Get("Hx-Request") == "true" {
		v.Response().Header().Set("Hx-Redirect", target)
		return v.NoContent(http.StatusUnauthorized)
	}
	return v.Redirect(http.StatusSeeOther, target)
}

// problemError is an error whose text is for the person.
type problemError struct {
	status   int
	sentence string
}

func (e *problemError) Error() string { return e.sentence }

func problem(status int, format string, args ...any) error {
	return &problemError{status: status, sentence: fmt.Sprintf(format, args...)}
}

// problemOf maps an error to what the page says. logged is true if only the log has the cause.
func problemOf(err error) (p problemError, logged bool) {
	if own, ok := errors.AsType[*problemError](err); ok {
		return *own, false
	}
	if field, ok := errors.AsType[*payment.FieldError](err); ok {
		return problemError{http.StatusUnprocessableEntity, field.Message}, false
	}
	if stored, ok := errors.AsType[*payment.StoredRowError](err); ok {
		return problemError{http.StatusInternalServerError, fmt.Sprintf(
			"the stored data of order %s is damaged: the column %s.%s cannot be read; see docs/incidents.md", stored.OrderID, stored.Table, stored.Column)}, true
	}
	if routing, ok := errors.AsType[*echo.HTTPError](err); ok && routing.Code == http.StatusNotFound {
		return problemError{http.StatusNotFound, "there is no such page; follow one of the links above"}, false
	}
	if routing, ok := errors.AsType[*echo.HTTPError](err); ok && routing.Code == http.StatusMethodNotAllowed {
		return problemError{http.StatusMethodNotAllowed, "this page cannot be asked for in this way; follow one of the links above"}, false
	}
	switch {
	case errors.Is(err, ports.ErrNotFound):
		return problemError{http.StatusNotFound, "there is no payment with this order id; order ids are case-sensitive"}, false
	case errors.Is(err, ports.ErrInDoubt):
		return problemError{http.StatusServiceUnavailable, "the connection to the database was lost before it confirmed the change; " +
			"look at the payment again before you repeat the act"}, true
	case errors.Is(err, ports.ErrUnavailable):
		return problemError{http.StatusServiceUnavailable, "the database is not available; nothing was changed; try again in a few seconds"}, true
	}
	return problemError{http.StatusInternalServerError, "internal error; the log of the service has the cause"}, true
}

// showError renders the page of an error.
func (c *Console) showError(v *visit, err error) error {
	p, logged := problemOf(err)
	if logged {
		c.log.ErrorContext(v.Request().Context(), "the console could not serve a page", "route", v.Path(), "error", err)
	}
	if v.Response().Committed {
		return nil // a download, sent in part
	}
	return c.render(v, p.status, "error", http.StatusText(p.status), "", sentence(p.sentence))
}

// sentence makes a text begin with a capital and end with a full stop.
func sentence(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + strings.TrimSuffix(s[1:], ".") + "."
}

// wholeSeconds rounds up, so that a client that waits that long is not early.
func wholeSeconds(d time.Duration) string {
	return strconv.FormatInt(max(1, int64((d+time.Second-1)/time.Second)), 10)
}
