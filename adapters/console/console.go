package console

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"paymentd/core"
	"paymentd/core/apikey"
	"paymentd/core/payment"
	"paymentd/ports"
)

// Service is what the console needs from the core. A *core.Operator is one. Its errors are those of ports.Payments,
// and *payment.FieldError.
type Service interface {
	// History returns a payment with its attempts, events and operations, or ports.ErrNotFound.
	History(ctx context.Context, id payment.OrderID) (ports.History, error)
	// List returns payments, newest first, and the rows that cannot be read.
	List(ctx context.Context, q ports.ListQuery) (ports.ListPage, error)
	// Find returns a payment or other operation without its history, or ports.ErrNotFound.
	Find(ctx context.Context, ref payment.Ref) (payment.Payment, error)
	// Explain answers why the money of a payment or other operation cannot be moved twice now.
	Explain(h ports.History) payment.Explanation
	// Waiting and WaitingOperations return what is not final, by its due time.
	Waiting(ctx context.Context, f core.WaitingFilter) (core.WaitingPage, error)
	WaitingOperations(ctx context.Context, limit int) (ports.OperationPage, error)
	// Search finds payments and other operations by their ids.
	Search(ctx context.Context, text string) (core.Found, error)
	// SearchTransaction finds the payments of a period that have a transaction.
	SearchTransaction(ctx context.Context, s core.TransactionSearch) (core.TransactionsFound, error)
	// Ask asks the gateway what it has done with a key, and stores nothing.
	Ask(ctx context.Context, h ports.History, key payment.GatewayKey) (payment.Lookup, error)

	// The acts. Each is kept in the history with the name of the person.

	// Expedite has the service continue now. A *payment.NotExpeditedError says why it cannot.
	Expedite(ctx context.Context, ref payment.Ref, retry bool, by string) error
	// Resolve settles an unresolved operation. A *payment.NotUnresolvedError says that it is not.
	Resolve(ctx context.Context, ref payment.Ref, outcome payment.Outcome, by string) error
	// RequestOperation stores a capture, a void or a refund that the queue makes; an amount of zero is what is left.
	RequestOperation(ctx context.Context, ref payment.Ref, amount payment.Money, reason, by string) (payment.Payment, error)
}

// Keys knows the API keys that are valid now. A *keycache.Cache is one. Its methods must be fast.
type Keys interface {
	// Check returns the key that a caller sent, or a key without an id if none is required. The text is empty if
	// the caller sent none. Its errors are those of the package apikey, and ports.ErrUnavailable.
	Check(text string) (*apikey.Key, error)
	// Find returns the key with this id, or apikey.ErrUnknown, or ports.ErrUnavailable.
	Find(id apikey.ID) (*apikey.Key, error)
}

// Options are the settings of the console. All must be set, unless a field says what its zero value means.
type Options struct {
	// Keys authenticates people, and APIKeys has the keys that the page of keys lists.
	Keys    Keys
	APIKeys ports.Keys
	// Endpoints are the webhook endpoints, and Outbox has their events.
	Endpoints ports.Endpoints
	Outbox    ports.Outbox
	// CheckEndpoint returns why no event is sent to a URL, as a sentence without its subject.
	CheckEndpoint func(*url.URL) error
	// Acts records what people do with keys and endpoints.
	Acts ports.AdminHistory
	// Sessions stores who is signed in, for all replicas.
	Sessions ports.Sessions
	// ClientOf returns the address of a client, behind trusted proxies too.
	ClientOf func(*http.Request) netip.Addr
	// AcceptHost reports whether a request names a host that is served if no API key is required.
	AcceptHost func(*http.Request) bool
	// WithTLS means that the server accepts TLS only, so that cookies are marked Secure.
	WithTLS bool
	// Watched is what the first page shows.
	Watched Watched
	// Replica and Version are shown at the foot of each page.
	Replica string
	Version string
	// Sandbox means that no money moves.
	Sandbox bool
	// WriteTimeout bounds the time to receive a page.
	WriteTimeout time.Duration
	Log          *slog.Logger
}

// maxConcurrent bounds the pages that are rendered at the same time. Further requests get 503.
const maxConcurrent = 32

// Console serves the pages.
type Console struct {
	service Service
	options Options
	log     *slog.Logger
	signIns *limiter
	visits  *limiter
	slots   chan struct{}
	origins *http.CrossOriginProtection
	pages   pages
	sampler *sampler
	live    *live
}

// New returns the console. Its routes are served once they are added to a router.
func New(s Service, o Options) *Console {
	c := &Console{
		service: s, options: o, log: o.Log, signIns: newLimiter(signInsPerMinute, signInsPerMinute),
		visits: newLimiter(requestsPerMinute, requestsAtOnce), slots: make(chan struct{}, maxConcurrent),
		origins: http.NewCrossOriginProtection(), pages: parsePages(),
	}
	c.newNow()
	return c
}

// Root is the path of the first page, and the path of the cookie.
const Root = "/console"

// Routes adds the routes of the console to a router.
func (c *Console) Routes(e *echo.Echo) {
	get := func(route string, h echo.HandlerFunc) {
		e.GET(route, h)
		e.HEAD(route, h)
	}
	for name, f := range assetFiles() {
		get(Root+"/assets/"+name, c.asset(f))
	}
	get(Root+"/sign-in", c.visitor(c.showSignIn))
	e.POST(Root+"/sign-in", c.visitor(c.signIn))
	e.POST(Root+"/sign-out", c.visitor(c.signOut))

	read, admin := apikey.ScopeRead, apikey.ScopeAdmin
	get(Root, c.page(read, c.showNow))
	get(Root+"/waiting", c.page(read, c.showWaiting))
	get(Root+"/waiting.csv", c.page(read, c.waitingCSV))
	get(Root+"/payments", c.page(read, c.showList))
	get(Root+"/payments.csv", c.page(read, c.listCSV))
	get(Root+"/payments/:order_id", c.page(read, c.showPayment))
	e.POST(Root+"/payments/:order_id", c.page(read, c.askGateway)) // it reads, and a link must not call a gateway
	get(Root+"/search", c.page(read, c.showSearch))
	get(Root+"/search/transaction", c.page(read, c.showTransaction))
	e.POST(Root+"/confirm", c.page(admin, c.confirm))
	e.POST(Root+"/act", c.page(admin, c.perform))
	get(Root+"/keys", c.page(read, c.showKeys))
	e.POST(Root+"/keys", c.page(admin, c.createKey))
	get(Root+"/keys/rotate", c.page(admin, c.confirmRotate))
	e.POST(Root+"/keys/rotate", c.page(admin, c.rotateKey))
	get(Root+"/keys/revoke", c.page(admin, c.confirmRevoke))
	e.POST(Root+"/keys/revoke", c.page(admin, c.revokeKey))
	get(Root+"/history", c.page(read, c.showHistory))
	get(Root+"/endpoints", c.page(read, c.showEndpoints))
	e.POST(Root+"/endpoints", c.page(admin, c.createEndpoint))
	get(Root+"/endpoints/:endpoint", c.page(read, c.showEndpoint))
	get(Root+"/endpoints/:endpoint/:act", c.page(admin, c.confirmEndpoint))
	e.POST(Root+"/endpoints/:endpoint/:act", c.page(admin, c.changeEndpoint))
	c.liveRoutes(e)
	get(Root+"/", c.page(read, func(v *visit) error { return v.Redirect(http.StatusSeeOther, Root) }))
	e.RouteNotFound(Root+"/*", c.page(read, func(v *visit) error { return noRoute(e, v) }))
}

// noRoute returns the error of a request that no route matches: echo.ErrMethodNotAllowed, with Allow, if the path has a
// route with another method. Echo prefers a RouteNotFound of the path to that.
func noRoute(e *echo.Echo, v *visit) error {
	r := v.Request()
	probe := e.NewContext(r, nil)
	var allowed []string
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost} {
		e.Router().Find(method, echo.GetPath(r), probe)
		if probe.Path() != Root+"/*" {
			allowed = append(allowed, method)
		}
	}
	if len(allowed) == 0 {
		return echo.ErrNotFound
	}
	v.Response().Header().Set(echo.HeaderAllow, strings.Join(allowed, ", "))
	return echo.ErrMethodNotAllowed
}
