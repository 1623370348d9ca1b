package console

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/labstack/echo/v4"

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
	// Explain answers why the money of a payment or other operation cannot be moved twice now.
	Explain(h ports.History) payment.Explanation
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
	// Sessions stores who is signed in, for all replicas.
	Sessions ports.Sessions
	// ClientOf returns the address of a client, behind trusted proxies too.
	ClientOf func(*http.Request) netip.Addr
	// AcceptHost reports whether a request names a host that is served if no API key is required.
	AcceptHost func(*http.Request) bool
	// WithTLS means that the server accepts TLS only, so that cookies are marked Secure.
	WithTLS bool
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
	slots   chan struct{}
	origins *http.CrossOriginProtection
	pages   pages
}

// New returns the console. Its routes are served once they are added to a router.
func New(s Service, o Options) *Console {
	return &Console{
		service: s, options: o, log: o.Log, signIns: newLimiter(), slots: make(chan struct{}, maxConcurrent),
		origins: http.NewCrossOriginProtection(), pages: parsePages(),
	}
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
	_ = admin
	c.liveRoutes(e)
	for _, route := range []string{Root + "/", Root + "/*"} {
		e.RouteNotFound(route, c.page(read, func(*visit) error { return echo.ErrNotFound }))
	}
}
