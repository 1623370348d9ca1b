package httpapi

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"paymentd/core"
	"paymentd/core/apikey"
	"paymentd/core/payment"
	"paymentd/ports"
)

// Processor is what the API needs from the core. A *core.Service is one.
type Processor interface {
	// Process charges an order, or finds that it was charged. Its errors are *payment.FieldError,
	// core.ErrBusy, core.ErrMismatch, core.ErrVoided, ports.ErrUnavailable, ports.ErrInDoubt, and those of ctx; any
	// other is an internal error.
	//
	// The context is the client's: once claimed, a payment is finished even if it is cancelled.
	Process(ctx context.Context, r core.Request) (core.Answer, error)
	// Refund gives money of a payment back, or finds that this refund was made. Its errors are those of Process,
	// ports.ErrNotFound, payment.ErrChargeOpen and *payment.OperationRefusedError.
	Refund(ctx context.Context, r core.Request) (core.Answer, error)
	// Capture takes money that a payment holds, and Void releases it; or they find that this was done. Their errors are
	// those of Refund.
	Capture(ctx context.Context, r core.Request) (core.Answer, error)
	Void(ctx context.Context, r core.Request) (core.Answer, error)
	// Payment returns a payment without its history, or ports.ErrNotFound.
	Payment(ctx context.Context, id payment.OrderID) (payment.Payment, error)
	// History returns a payment with its attempts, events and operations, or ports.ErrNotFound.
	History(ctx context.Context, id payment.OrderID) (ports.History, error)
	// List returns payments, newest first, and the rows that cannot be read.
	List(ctx context.Context, q ports.ListQuery) (ports.ListPage, error)
	// Notify makes the charge of an event due for a lookup, and returns once that is stored. Its errors are
	// those of Process about the database.
	Notify(ctx context.Context, e core.GatewayEvent) (core.Notified, error)
	// Ready returns nil if requests to charge can be served.
	Ready(ctx context.Context) error
}

// Options are the settings of the API. All must be set; none has a default.
type Options struct {
	// Keys authenticates callers.
	Keys Keys
	// Currency is that of a request without a currency.
	Currency payment.Currency
	// ChargesSandbox means that no money moves, so the page at /docs may send requests to charge.
	ChargesSandbox bool
	// MaxRequests bounds the concurrent requests under /payments. Requests beyond it get 503 at
	// once; probes are always served.
	MaxRequests int
	// LimitPerAddress and LimitPerKey bound the rate of requests under /payments and for the
	// metrics, for each client address and for each API key. Requests beyond it get 429. The zero
	// value means no limit.
	LimitPerAddress Rate
	LimitPerKey     Rate
	// AllowedHosts are served if no API key is required, in addition to the names of the loopback
	// interface.
	AllowedHosts Hosts
	// TrustedProxies are the proxies whose X-Forwarded-For is trusted. Empty for none.
	TrustedProxies Proxies
	// Certificate makes the server accept TLS only. Nil for plain HTTP.
	Certificate *Certificate
	// MaxHeaderBytes bounds the request line and the header; net/http allows 4 KiB more.
	MaxHeaderBytes int
	// HeaderTimeout bounds the time for sending the header of a request, ReadTimeout the time for
	// sending the whole request.
	HeaderTimeout time.Duration
	ReadTimeout   time.Duration
	// WriteTimeout bounds the time for receiving a response. It begins when the response is ready
	// and the request was read, because a payment itself may take minutes.
	WriteTimeout time.Duration
	// IdleTimeout bounds how long a connection is kept between requests.
	IdleTimeout time.Duration
	// Route returns the gateways that may charge for a request, for keys that are limited to some.
	Route func(core.Request) ([]payment.GatewayID, error)
	// Gateways returns the gateways of the service. Nil if there is no such path.
	Gateways func() []GatewayStatus
	// Events reads the events of gateways, by the names of those that receive any.
	Events map[string]EventReader
	// Console adds the routes of the console, below /console, to the router. Nil if there is none.
	Console func(*echo.Echo)
	// Metrics serves GET /metrics. Nil if there is no such path.
	Metrics http.Handler
	// Observer observes each request. Nil for none.
	Observer Observer
}

type api struct {
	processor Processor
	options   Options
	log       *slog.Logger
	slots     chan struct{}
	addresses *limiter // nil if there is no limit
	callers   *limiter // nil if there is no limit
	readiness readiness
	eventLog  *eventLog
	origins   *http.CrossOriginProtection
}

// The routes, as in the router and the log.
const (
	routeRoot     = "/"
	routeProcess  = "/payments/process"
	routePayments = "/payments"
	routePayment  = "/payments/:order_id"
	routeCapture  = "/payments/:order_id/capture"
	routeVoid     = "/payments/:order_id/void"
	routeRefunds  = "/payments/:order_id/refunds"
	routeRefund   = "/payments/:order_id/refunds/:refund_id"
	routeGateways = "/gateways"
	routeEvents   = "/gateways/:name/events"
	routeHealth   = "/healthz"
	routeReady    = "/readyz"
	routeMetrics  = "/metrics"
)

// New returns the handler of the whole API. Serve it with [NewServer], because it relies on the
// deadlines of that server.
func New(p Processor, o Options, log *slog.Logger) http.Handler {
	a := &api{
		processor: p, options: o, log: log, slots: make(chan struct{}, o.MaxRequests),
		addresses: newLimiter(o.LimitPerAddress, maxAddresses), callers: newLimiter(o.LimitPerKey, maxKeys),
		eventLog: newEventLog(log), origins: http.NewCrossOriginProtection(),
	}
	if o.Observer == nil {
		a.options.Observer = noObserver{}
	}
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.Logger.SetOutput(io.Discard)         // slog is the only log
	e.IPExtractor = echo.ExtractIPDirect() // X-Forwarded-For is trusted from proxies only
	e.Use(a.logRequests, recoverPanics)    // after routing, so that the route is known

	e.POST(routeProcess, a.authorizeChange(a.process, apikey.ScopePay))
	get(e, routePayments, a.authorize(a.limitConcurrent(a.list), apikey.ScopeRead))
	// A caller with the scope pay, capture or refund may follow the Location of a 202, or read what is left to refund.
	get(e, routePayment, a.authorize(a.limitConcurrent(a.lookUp),
		apikey.ScopeRead, apikey.ScopePay, apikey.ScopeCapture, apikey.ScopeRefund))
	e.POST(routeCapture, a.authorizeChange(a.capture, apikey.ScopeCapture))
	e.POST(routeVoid, a.authorizeChange(a.void, apikey.ScopeCapture))
	e.POST(routeRefunds, a.authorizeChange(a.refund, apikey.ScopeRefund))
	get(e, routeRefunds, a.authorize(a.limitConcurrent(a.listRefunds), apikey.ScopeRead, apikey.ScopeRefund))
	get(e, routeRefund, a.authorize(a.limitConcurrent(a.lookUpRefund), apikey.ScopeRead, apikey.ScopeRefund))
	get(e, routeHealth, a.health)
	get(e, routeReady, a.ready)
	if o.Gateways != nil {
		get(e, routeGateways, a.authorize(a.limitConcurrent(a.gateways), apikey.ScopeRead))
	}
	e.POST(routeEvents, a.countEvents(a.limitPerAddress(a.limitEvents(a.events))))
	if o.Metrics != nil {
		get(e, routeMetrics, a.authorize(a.metrics, apikey.ScopeRead))
	}
	a.serveDocs(e)
	get(e, routeRoot, a.requireHost(a.leadOn))
	if o.Console != nil {
		o.Console(e)
	}
	// Without this route the router would take everything after /refunds/ for one refund id.
	e.RouteNotFound(routeRefund+"/*", echo.NotFoundHandler)
	return withSecurityHeaders(closeAmbiguous(escapedPaths(e)), o.Certificate != nil)
}

// authorize wraps a handler with all checks of the caller, whose key must have one of the scopes.
// The chain is built once, without the checks that are not configured; Echo would build it for each
// request.
func (a *api) authorize(h echo.HandlerFunc, anyOf ...apikey.Scope) echo.HandlerFunc {
	return a.limitPerAddress(a.authenticate(a.limitPerKey(h), anyOf...))
}

// authorizeChange is authorize for a handler that changes something.
func (a *api) authorizeChange(h echo.HandlerFunc, scope apikey.Scope) echo.HandlerFunc {
	return a.authorize(a.refuseForeignPages(a.limitConcurrent(h)), scope)
}

// leadOn leads a person from GET / to the first page there is.
func (a *api) leadOn(c echo.Context) error {
	if a.options.Console != nil {
		return c.Redirect(http.StatusFound, "/console")
	}
	return c.Redirect(http.StatusFound, "/docs")
}

// get serves HEAD as well; net/http omits the body.
func get(e *echo.Echo, route string, h echo.HandlerFunc) {
	e.GET(route, h)
	e.HEAD(route, h)
}
