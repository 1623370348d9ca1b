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

// Processor is what the API needs of the core. A *core.Service is one.
type Processor interface {
	// Process charges an order, or finds that it was charged. Its errors are
	// *payment.FieldError, core.ErrBusy, core.ErrMismatch, ports.ErrUnavailable,
	// ports.ErrInDoubt, and those of ctx; any other is a fault of the service.
	//
	// The context is the client's: once claimed, a payment is finished without it.
	Process(ctx context.Context, r core.Request) (core.Answer, error)
	// History returns all that is known of a payment, or ports.ErrNotFound.
	History(ctx context.Context, id payment.OrderID) (ports.History, error)
	// List returns payments, newest first, and says which rows make none.
	List(ctx context.Context, q ports.ListQuery) (ports.ListPage, error)
	// Ready returns nil when requests to charge can be served.
	Ready(ctx context.Context) error
}

// Options are the limits of the API. All have to be set; nothing here has a default.
type Options struct {
	// Keys says who may call what is not open to anyone.
	Keys Keys
	// Currency is that of a request which names none.
	Currency payment.Currency
	// ChargesSandbox: no money moves, so the page at /docs may send requests to charge.
	ChargesSandbox bool
	// MaxRequests bounds the requests under /payments that are served at a time. The
	// ones beyond get 503 at once; probes are always served.
	MaxRequests int
	// LimitPerAddress bounds how often one address may ask, LimitPerKey how often one key may,
	// under /payments and for the metrics. The ones beyond get 429. Zero for no limit.
	LimitPerAddress Rate
	LimitPerKey     Rate
	// AllowedHosts are served while no API key is needed, beside the names of the loopback interface.
	AllowedHosts Hosts
	// TrustedProxies are whose X-Forwarded-For is believed. None: nobody's.
	TrustedProxies Proxies
	// Certificate has the server speak TLS, and nothing else. Nil for plain HTTP.
	Certificate *Certificate
	// MaxHeaderBytes bounds the request line and the header; net/http adds 4 KiB of grace.
	MaxHeaderBytes int
	// HeaderTimeout bounds how long a client takes to send its header, ReadTimeout its
	// whole request.
	HeaderTimeout time.Duration
	ReadTimeout   time.Duration
	// WriteTimeout bounds how long a client takes to receive an answer, from when that is
	// ready and the request is here: a payment itself may run for minutes.
	WriteTimeout time.Duration
	// IdleTimeout bounds how long a connection is kept between requests.
	IdleTimeout time.Duration
	// Metrics answers GET /metrics. Nil for no such path.
	Metrics http.Handler
	// Observer is told of each request. Nil for nobody.
	Observer Observer
}

type api struct {
	processor Processor
	options   Options
	log       *slog.Logger
	slots     chan struct{}
	addresses *addressLimiter // nil if there is no limit
	callers   *keyLimiter     // nil if there is no limit
	readiness readiness
}

// The routes, as the router and the log know them.
const (
	routeProcess  = "/payments/process"
	routePayments = "/payments"
	routePayment  = "/payments/:order_id"
	routeHealth   = "/healthz"
	routeReady    = "/readyz"
	routeMetrics  = "/metrics"
)

// New returns the handler of the whole API. Serve it with [NewServer], whose deadlines it
// relies on.
func New(p Processor, o Options, log *slog.Logger) http.Handler {
	a := &api{
		processor: p, options: o, log: log, slots: make(chan struct{}, o.MaxRequests),
		addresses: newAddressLimiter(o.LimitPerAddress), callers: newKeyLimiter(o.LimitPerKey),
	}
	if o.Observer == nil {
		a.options.Observer = unobserved{}
	}
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.Logger.SetOutput(io.Discard)         // ours is the only log
	e.IPExtractor = echo.ExtractIPDirect() // X-Forwarded-For says what its sender likes
	e.HTTPErrorHandler = a.handleError     // one table for every error
	e.Use(a.logged, recovered)             // once the route is known

	e.POST(routeProcess, a.guarded(a.limited(a.process), apikey.ScopePay))
	get(e, routePayments, a.guarded(a.limited(a.list), apikey.ScopeRead))
	// Whoever may pay may follow the Location of a 202.
	get(e, routePayment, a.guarded(a.limited(a.lookUp), apikey.ScopeRead, apikey.ScopePay))
	get(e, routeHealth, a.health)
	get(e, routeReady, a.ready)
	if o.Metrics != nil {
		get(e, routeMetrics, a.guarded(a.metrics, apikey.ScopeRead))
	}
	a.documented(e)
	// Without it the router takes all that follows /payments/ for one order id.
	e.RouteNotFound(routePayment+"/*", echo.NotFoundHandler)
	return secured(singly(escapedPaths(e)), o.Certificate != nil)
}

// guarded has a request pass all that is asked of a caller, whose key must have one of the scopes. It
// is put together here once, and what is not configured is left out: Echo would do it anew for each
// request.
func (a *api) guarded(h echo.HandlerFunc, anyOf ...apikey.Scope) echo.HandlerFunc {
	return a.perAddress(a.authenticated(a.perKey(h), anyOf...))
}

// get serves HEAD as well: net/http then leaves out the body.
func get(e *echo.Echo, route string, h echo.HandlerFunc) {
	e.GET(route, h)
	e.HEAD(route, h)
}
