package httpapi

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"paymentd/core"
	"paymentd/core/payment"
)

const (
	headerRequestID   = "X-Request-Id"
	maxRequestIDBytes = 128
	// maxMethodBytes bounds in the log what a client can make as long as its header.
	maxMethodBytes = 16
	mostAttributes = 17 // of a line; more would fit
)

// note is what a handler leaves for its request's line in the log.
type note struct {
	caller   caller
	order    payment.OrderID
	state    payment.State
	attempts int
	replayed bool
	code     string // of the gateway, or of the payment's failure
	reason   string // why the answer is no success
	err      error
}

func (n *note) answered(a core.Answer) {
	n.order, n.state, n.attempts, n.replayed = a.OrderID, a.State, a.Attempts, a.Replayed
	n.code, n.reason = a.Code, a.Reason
}

const noteKey = "note"

// noteOf returns the request's note, which logged has put there.
func noteOf(c echo.Context) *note {
	n, _ := c.Get(noteKey).(*note)
	return n
}

// logged writes one line for each request, once it is answered. The line has the route and
// never the URL, and of the client's words only the order id, the request id, and what the answer
// quotes. For a request that failed it has the reason: the answer of the gateway, or else the sentence of
// the response.
func (a *api) logged(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		began := time.Now()
		n := &note{}
		c.Set(noteKey, n)
		id := requestID(c.Request().Header)
		c.Response().Header().Set(headerRequestID, id)
		route, observer := c.Path(), a.options.Observer
		observer.RequestBegan(route)
		status := 0 // of a connection that is dropped
		defer func() { observer.RequestEnded(route, status, time.Since(began), n.replayed) }()
		if err := next(c); err != nil {
			c.Error(err)
		}
		status = c.Response().Status
		a.logRequest(c, id, n, time.Since(began))
		return nil
	}
}

func (a *api) logRequest(c echo.Context, id string, n *note, took time.Duration) {
	r, status := c.Request(), c.Response().Status
	attributes := append(make([]slog.Attr, 0, mostAttributes),
		slog.String("method", r.Method[:min(len(r.Method), maxMethodBytes)]),
		slog.String("route", c.Path()),
		slog.Int("status", status),
		slog.Float64("duration_ms", float64(took.Microseconds())/1000),
		slog.String("request_id", id),
	)
	if tellsClient(c.Path(), status) {
		// An address and nothing else, whatever a proxy has been told.
		attributes = append(attributes, slog.String("client", a.options.TrustedProxies.clientOf(r).String()))
	}
	who := callerOf(c)
	if who.ID != "" {
		attributes = append(attributes, slog.String("api_key_id", who.ID))
	}
	if who.Name != "" {
		attributes = append(attributes, slog.String("api_key", who.Name))
	}
	if n.order != "" {
		attributes = append(attributes, slog.String("order_id", n.order.String()))
	}
	if n.state != "" {
		attributes = append(attributes, slog.String("state", string(n.state)),
			slog.Int("attempts", n.attempts), slog.Bool("replayed", n.replayed))
	}
	if n.code != "" {
		attributes = append(attributes, slog.String("code", n.code))
	}
	if reason := n.reasonOf(status); reason != "" {
		attributes = append(attributes, slog.String("reason", reason))
	}
	if n.err != nil {
		attributes = append(attributes, slog.String("error", n.err.Error()))
	}
	if damaged, ok := errors.AsType[*payment.StoredRowError](n.err); ok {
		attributes = append(attributes, slog.String("table", damaged.Table), slog.String("column", damaged.Column))
	}
	if panicked, ok := errors.AsType[*panicError](n.err); ok {
		attributes = append(attributes, slog.String("stack", string(panicked.stack)))
	}
	// Not the request's context: the line is written for clients that are gone, too.
	a.log.LogAttrs(context.WithoutCancel(r.Context()), levelOf(c.Path(), status), "request", attributes...)
}

// reasonOf returns why the answer has its status; empty for a success.
func (n *note) reasonOf(status int) string {
	if n.reason == "" && status >= http.StatusBadRequest {
		return strings.ToLower(http.StatusText(status)) // of a handler that writes its answers itself
	}
	return n.reason
}

// tellsClient reports whether the line of a request says where it came from: a request to charge, which
// may have to be explained later, and one without a right to call or beyond a limit, whose sender an
// operator may want to shut out. Other addresses are personal data that no one needs.
func tellsClient(route string, status int) bool {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests, http.StatusMisdirectedRequest:
		return true
	}
	return route == routeProcess
}

// levelOf is the level of a request's line. A client's mistake is no concern of an
// operator; a gateway or a database that is away is a warning; our own fault is an error.
func levelOf(route string, status int) slog.Level {
	switch {
	case status == http.StatusInternalServerError:
		return slog.LevelError
	case route == routeReady && status == http.StatusServiceUnavailable:
		return slog.LevelDebug // the begin and the end of that have lines of their own
	case status > http.StatusInternalServerError:
		return slog.LevelWarn
	case route == routeHealth, route == routeReady, route == routeMetrics:
		return slog.LevelDebug
	}
	return slog.LevelInfo
}

// requestID returns the id that the client gave its request, if that can be shown as it
// is, and a new one otherwise.
func requestID(h http.Header) string {
	sent := h.Values(headerRequestID)
	if len(sent) != 1 || sent[0] == "" || len(sent[0]) > maxRequestIDBytes {
		return uuid.Must(uuid.NewV7()).String()
	}
	for _, b := range []byte(sent[0]) {
		if b <= ' ' || b > '~' {
			return uuid.Must(uuid.NewV7()).String()
		}
	}
	return sent[0]
}
