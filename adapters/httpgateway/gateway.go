package httpgateway

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"time"

	"paymentd/core/payment"
	"paymentd/internal/httpcall"
)

// defaultConnections is the default of [WithConnections].
const defaultConnections = 64

// Gateway is a client of the gateway protocol for one base URL. It is safe for concurrent use.
type Gateway struct {
	charges      *url.URL // {base}/charges
	timeout      time.Duration
	capabilities payment.Capabilities
	client       *httpcall.Client
	addHeader    func(context.Context, http.Header)
	secrets      []string // the values of configured headers
}

type options struct {
	connections int
	id          payment.GatewayID
	keyLifetime time.Duration
	lookupLag   time.Duration
	operations  payment.Operations
	rootCAs     *x509.CertPool
	addHeader   func(context.Context, http.Header)
	headers     map[string]string
	bearer      func() string

	clientCertificate func() *tls.Certificate
	dial              func(ctx context.Context, network, address string) (net.Conn, error)
}

// Option changes a default of [New].
type Option func(*options)

// WithConnections keeps up to n idle connections (default 64). Set it to the number of concurrent
// attempts, because each attempt beyond it opens a new connection. It does not limit the attempts;
// the caller does.
func WithConnections(n int) Option {
	return func(o *options) { o.connections = n }
}

// WithKeyLifetime declares how long the gateway remembers a key after its first use (default zero:
// forever).
func WithKeyLifetime(d time.Duration) Option {
	return func(o *options) { o.keyLifetime = d }
}

// WithID sets the identity of the gateway, so that its address may change or differ between
// replicas. By default its base URL is its identity.
func WithID(id payment.GatewayID) Option {
	return func(o *options) { o.id = id }
}

// WithLookupLag declares for how long after a charge a lookup may not see it (default zero, as the
// gateway protocol promises).
func WithLookupLag(d time.Duration) Option {
	return func(o *options) { o.lookupLag = d }
}

// WithOperations declares what the gateway can do beside a charge (default: captures, voids and refunds). A gateway
// without voids cannot cancel a pending charge.
func WithOperations(operations payment.Operations) Option {
	return func(o *options) { o.operations = operations }
}

// WithRootCAs trusts these authorities instead of the system's, for an https gateway with a private
// certificate.
func WithRootCAs(pool *x509.CertPool) Option {
	return func(o *options) { o.rootCAs = pool }
}

// WithDial opens connections with dial in place of TCP, for tests in virtual time.
func WithDial(dial func(ctx context.Context, network, address string) (net.Conn, error)) Option {
	return func(o *options) { o.dial = dial }
}

// WithHeader calls add to add headers to each request, such as the trace context. Headers of the
// protocol take precedence.
func WithHeader(add func(context.Context, http.Header)) Option {
	return func(o *options) { o.addHeader = add }
}

// New returns a gateway for the base URL: http or https, a host, and optionally a port and a path
// before "/charges". The timeout bounds one attempt and one lookup, from getting a connection to
// the last byte of the answer.
//
// The proxy environment variables (HTTPS_PROXY) are ignored, because a variable meant for downloads
// must not change the route of money, and errors of a proxy would be taken for the gateway's.
func New(base string, timeout time.Duration, opts ...Option) (*Gateway, error) {
	o := options{
		connections: defaultConnections, addHeader: func(context.Context, http.Header) {},
		operations: payment.OperationCapture | payment.OperationVoid | payment.OperationRefund,
	}
	for _, opt := range opts {
		opt(&o)
	}
	u, err := parseBase(base)
	if err != nil {
		return nil, err
	}
	if timeout <= 0 {
		return nil, errors.New("gateway timeout must be above zero")
	}
	if o.connections < 1 {
		return nil, errors.New("gateway connections must be at least 1")
	}
	if o.keyLifetime < 0 || o.lookupLag < 0 {
		return nil, errors.New("gateway key lifetime and lookup lag must not be below zero")
	}
	if u.Path == "" {
		u.Path = "/" // otherwise JoinPath returns a relative path
	}
	addHeader, err := o.header()
	if err != nil {
		return nil, err
	}
	g := &Gateway{charges: u.JoinPath("charges"), timeout: timeout, addHeader: addHeader, secrets: slices.Collect(maps.Values(o.headers))}
	g.capabilities = payment.Capabilities{
		Gateway: cmp.Or(o.id, gatewayID(g.charges)),
		Repeat:  payment.RepeatFirstSuccess, LooksUp: true, KeyLifetime: o.keyLifetime,
		LookupLag: o.lookupLag, LookupForgets: true,
		SavesDeclines: true, Cancels: o.operations.Has(payment.OperationVoid),
		Asynchronous: payment.OperationCharge | o.operations,
		Operations:   o.operations,
	}
	g.client = httpcall.New(httpcall.Options{
		Timeout: timeout, Connections: o.connections, RootCAs: o.rootCAs, ClientCertificate: o.clientCertificate,
		Dial: o.dial,
	})
	return g, nil
}

// chargeRequest is the body of POST {base}/charges.
type chargeRequest struct {
	OrderID  string `json:"order_id"`
	Amount   string `json:"amount"` // in units, with all decimals of the currency
	Currency string `json:"currency"`

	PaymentMethod string `json:"payment_method,omitempty"`
	Capture       string `json:"capture,omitempty"` // "manual" to hold the money
}

// Charge makes one attempt at a charge or another operation; see ports.Gateway.
func (g *Gateway) Charge(ctx context.Context, c payment.Charge) payment.Result {
	switch c.Operation.Kind {
	case payment.KindCharge:
		return g.charge(ctx, c)
	case payment.KindCapture, payment.KindVoid, payment.KindRefund:
		return g.operate(ctx, c)
	}
	return payment.Result{
		Class:   payment.ClassRejected,
		Message: "the gateway protocol has no " + c.Operation.String() + "; nothing was sent",
	}
}

func (g *Gateway) charge(ctx context.Context, c payment.Charge) payment.Result {
	body, err := json.Marshal(chargeRequest{
		OrderID:  c.OrderID.String(),
		Amount:   c.Money.Decimal(),
		Currency: c.Money.Currency().Code(),

		PaymentMethod: string(c.Method),
		Capture:       string(c.Capture),
	})
	if err != nil {
		return payment.Result{Class: payment.ClassRejected, Message: "encode charge: " + err.Error()}
	}
	return g.PostBody(ctx, c.Key, body)
}

// PostBody sends a body as a charge. A body that is no charge shows how the gateway refuses it.
func (g *Gateway) PostBody(ctx context.Context, key payment.GatewayKey, body []byte) payment.Result {
	return g.post(ctx, g.charges, payment.ChargeRef{Key: key}, body)
}

// post sends an operation, and classifies the answer as one about it.
func (g *Gateway) post(ctx context.Context, u *url.URL, about payment.ChargeRef, body []byte) payment.Result {
	if about.Key == "" {
		// Without a key every retry would be another operation.
		return payment.Result{Class: payment.ClassRejected, Message: "the request has no gateway key; nothing was sent"}
	}
	ctx, cancel := httpcall.WithTimeout(ctx, g.timeout)
	defer cancel()

	a, lost := g.exchange(ctx, http.MethodPost, u, about, body)
	if lost != nil {
		return noAnswer(lost)
	}
	return a.result(about)
}

// LookUp looks up the gateway key of a charge or of another operation; see ports.Gateway.
func (g *Gateway) LookUp(ctx context.Context, ref payment.ChargeRef) payment.Lookup {
	switch ref.Operation.Kind {
	case payment.KindCharge:
		return g.get(ctx, g.chargeURL(ref.Key), ref).Lookup
	case payment.KindCapture, payment.KindVoid, payment.KindRefund:
		return g.lookUpOperation(ctx, ref)
	}
	return payment.Lookup{Result: payment.FoundNoAnswer, Message: "the gateway protocol has no " + ref.Operation.String()}
}

// Probe is a lookup, and the source of the answer.
type Probe struct {
	payment.Lookup

	// Arrived means that there was an answer, from the gateway or an intermediary.
	Arrived bool
	// Status is the HTTP status of the answer, if there was one.
	Status int
	// Marked means that the gateway itself answered.
	Marked bool
}

// Probe looks up a key to check whether the gateway itself can be reached.
func (g *Gateway) Probe(ctx context.Context, key payment.GatewayKey) Probe {
	return g.get(ctx, g.chargeURL(key), payment.ChargeRef{Key: key})
}

// get looks up the state of an operation.
func (g *Gateway) get(ctx context.Context, u *url.URL, about payment.ChargeRef) Probe {
	if about.Key == "" {
		return Probe{Lookup: payment.Lookup{Result: payment.FoundNoAnswer, Message: "there is no gateway key to look up"}}
	}
	ctx, cancel := httpcall.WithTimeout(ctx, g.timeout)
	defer cancel()

	a, lost := g.exchange(ctx, http.MethodGet, u, payment.ChargeRef{}, nil)
	if lost != nil {
		return Probe{Lookup: payment.Lookup{Result: payment.FoundNoAnswer, Message: clip(lost.Error())}}
	}
	return Probe{Lookup: a.lookup(about), Arrived: true, Status: a.status, Marked: a.marked(about.Key)}
}

// chargeURL returns the URL of the charge with a key.
func (g *Gateway) chargeURL(key payment.GatewayKey) *url.URL {
	return g.charges.JoinPath(url.PathEscape(string(key)))
}

// Capabilities returns what the gateway protocol promises and the options declare; see
// ports.Gateway.
func (g *Gateway) Capabilities() payment.Capabilities { return g.capabilities }

// Close closes the idle connections. Calls in flight are not interrupted.
func (g *Gateway) Close() { g.client.Close() }
