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
	"paymentd/core/apikey"
	"paymentd/core/payment"
)

const (
	headerRequestID   = "X-Request-Id"
	maxRequestIDBytes = 128
	// maxMethodBytes bounds the method in the log, because a client can send a method as long as a
	// header.
	maxMethodBytes = 16
	maxAttributes  = 18 // of a log line; more would be added as well
)

// requestInfo collects what handlers add to the log line of a request.
type requestInfo struct {
	caller caller
	limits apikey.Limits // of the caller's key
	order  payment.OrderID
	// operation is the zero value for the charge.
	operation payment.OperationID
	state     payment.State
	attempts  int
	replayed  bool
	code      string // of the gateway, or of the failure, or the result of an event
	reason    string // why the request did not succeed
	err       error
	verified  bool // of an event: its signature is right
	quiet     bool // the request has no log line
}

func (n *requestInfo) setAnswer(a core.Answer) {
	n.order, n.operation, n.state, n.attempts, n.replayed = a.OrderID, a.Operation, a.State, a.Attempts, a.Replayed
	n.code, n.reason = a.Code, a.Reason
}

// requestContext is Echo's context of a request, with the info. Echo's own values are in a map, which it
// would create for each request.
type requestContext struct {
	echo.Context

	info requestInfo
}

// infoOf returns the info of a request, whose context is of logRequests.
func infoOf(c echo.Context) *requestInfo {
	r, _ := c.(*requestContext)
	return &r.info
}

// logRequests writes one log line for each request after its response, unless a handler has made it quiet. The line has the route
// instead of the URL, and of the client's input only the order id, the refund id, the request id, and what
// the response quotes. For a failed request it has the reason: the gateway's answer, or else the
// sentence of the response.
func (a *api) logRequests(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		began := time.Now()
		r := &requestContext{Context: c}
		id := requestID(c.Request().Header)
		c.Response().Header().Set(headerRequestID, id)
		route, observer := c.Path(), a.options.Observer
		observer.RequestBegan(route)
		status := 0 // if the connection is dropped
		defer func() { observer.RequestEnded(route, status, time.Since(began), r.info.replayed) }()
		if err := next(r); err != nil {
			a.handleError(err, r)
		}
		status = c.Response().Status
		if !r.info.quiet {
			a.logRequest(r, id, &r.info, time.Since(began))
		}
		return nil
	}
}

func (a *api) logRequest(c echo.Context, id string, n *requestInfo, took time.Duration) {
	r, status := c.Request(), c.Response().Status
	attributes := append(make([]slog.Attr, 0, maxAttributes),
		slog.String("method", r.Method[:min(len(r.Method), maxMethodBytes)]),
		slog.String("route", c.Path()),
		slog.Int("status", status),
		slog.Float64("duration_ms", float64(took.Microseconds())/1000),
		slog.String("request_id", id),
	)
	if logsClient(r.Method, c.Path(), status) {
		// A parsed address only, not the text of X-Forwarded-For.
		attributes = append(attributes, slog.String("client", a.options.TrustedProxies.ClientOf(r).String()))
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
	if n.operation.Kind == payment.KindRefund {
		attributes = append(attributes, slog.String("refund_id", n.operation.Name))
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
	// Without the cancellation of the request's context: requests of disconnected clients are
	// logged, too.
	a.log.LogAttrs(context.WithoutCancel(r.Context()), levelOf(c.Path(), status), "request", attributes...)
}

// reasonOf returns why the request failed; empty for a success.
func (n *requestInfo) reasonOf(status int) string {
	if n.reason == "" && status >= http.StatusBadRequest {
		return strings.ToLower(http.StatusText(status)) // of a handler that writes its own responses
	}
	return n.reason
}

// logsClient reports whether the log line has the client's address: for a request that moves or releases money,
// which may have to be explained later, and for one that is not authorized or beyond a limit, because an
// operator may want to block its sender. Other addresses are personal data that are not needed.
func logsClient(method, route string, status int) bool {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests, http.StatusMisdirectedRequest:
		return true
	}
	return route == routeProcess || kindOfRoute(route) != payment.KindCharge && method == http.MethodPost
}

// levelOf returns the level of a log line: a warning if the gateway or the database is unavailable,
// an error if the service itself failed, and info or debug otherwise, because a client's mistake
// needs no action by an operator.
func levelOf(route string, status int) slog.Level {
	switch {
	case status == http.StatusInternalServerError:
		return slog.LevelError
	case route == routeReady && status == http.StatusServiceUnavailable:
		return slog.LevelDebug // changes of readiness have log lines of their own
	case status > http.StatusInternalServerError:
		return slog.LevelWarn
	case route == routeHealth, route == routeReady, route == routeMetrics:
		return slog.LevelDebug
	}
	return slog.LevelInfo
}

// requestID returns the client's request id if it is printable, and a new one otherwise.
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
