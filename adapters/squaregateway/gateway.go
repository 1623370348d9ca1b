package squaregateway

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"time"

	"paymentd/core/payment"
	"paymentd/internal/httpcall"
)

// Environment is one of Square's two environments. They have accounts, tokens and payments of their own.
type Environment string

const (
	// Sandbox moves no money.
	Sandbox Environment = "sandbox"
	// Production moves money.
	Production Environment = "production"
)

// hosts are the addresses of the API ("Sandbox Overview" in Square's documentation).
var hosts = map[Environment]string{
	Sandbox:    "https://connect.squareupsandbox.com",
	Production: "https://connect.squareup.com",
}

const (
	// DefaultVersion is the API version that the adapter was written for (api.json of
	// square/connect-api-specification). It is sent with each request, because the application's own
	// default changes in Square's console.
	DefaultVersion = "2025-08-20"

	// HoldFor is how long a payment that was created and not completed is held before Square cancels
	// it. It is no setting, because all attempts with a key must send the same request.
	HoldFor = 15 * time.Minute
	// holdFor is the same for the API: an RFC 3339 duration of at least a minute.
	holdFor = "PT15M"

	// DefaultLookupLag is many times the "several seconds" by which ListPayments lags.
	DefaultLookupLag = time.Minute

	// MaxKeyBytes is the longest gateway key: the API takes 45 bytes as idempotency_key, and 40 as the
	// reference_id by which the payment is found again.
	MaxKeyBytes = 40

	defaultConnections = 64
)

// Options are the settings of a [Gateway].
type Options struct {
	// Environment is required.
	Environment Environment
	// LocationID is the location that takes the payments. Required, because the default location is
	// a setting of the account, which may change.
	LocationID string
	// Token returns the access token. It is called for each request, so that a token that is replaced
	// is used at once. Required.
	Token func() string
	// Timeout bounds one attempt and one lookup, with all their calls. Required.
	Timeout time.Duration
	// BaseURL replaces the environment's address, for tests; empty for Square's own.
	BaseURL string
	// Version is the Square-Version of requests; empty for [DefaultVersion].
	Version string
	// Connections is how many idle connections are kept; zero for 64.
	Connections int
	// KeyLifetime is how long after its first use a key is sent again; zero for [HoldFor], which is
	// the maximum.
	KeyLifetime time.Duration
	// LookupLag is how long a payment may be missing from Square's list; zero for [DefaultLookupLag].
	LookupLag time.Duration
	// RootCAs are trusted instead of the system's authorities; nil for the system's.
	RootCAs *x509.CertPool
	// Dial opens connections in place of TCP, for tests in virtual time; nil for TCP.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Header adds headers to each request, such as the trace context. Headers of the API take
	// precedence. Nil for none.
	Header func(context.Context, http.Header)
	// Now is the clock, for tests; nil for time.Now.
	Now func() time.Time
}

// Gateway is a client of Square's Payments API for one location. It is safe for concurrent use.
type Gateway struct {
	base         *url.URL
	location     string
	version      string
	token        func() string
	timeout      time.Duration
	capabilities payment.Capabilities
	client       *httpcall.Client
	addHeader    func(context.Context, http.Header)
	now          func() time.Time
}

// New returns a gateway. Its errors name what is wrong with the options.
func New(o Options) (*Gateway, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	base, err := o.base()
	if err != nil {
		return nil, err
	}
	g := &Gateway{
		base: base, location: o.LocationID, version: cmp.Or(o.Version, DefaultVersion), token: o.Token,
		timeout: o.Timeout, addHeader: o.Header, now: o.Now,
		client: httpcall.New(httpcall.Options{
			Timeout: o.Timeout, Connections: cmp.Or(o.Connections, defaultConnections), RootCAs: o.RootCAs,
			Dial: o.Dial,
		}),
		capabilities: Capabilities(),
	}
	if g.now == nil {
		g.now = time.Now
	}
	g.capabilities.Gateway = payment.GatewayID("square:" + o.LocationID + ":" + string(o.Environment))
	g.capabilities.KeyLifetime = cmp.Or(o.KeyLifetime, HoldFor)
	g.capabilities.LookupLag = cmp.Or(o.LookupLag, DefaultLookupLag)
	return g, nil
}

// Capabilities returns the defaults of what Square can prove. What Square does not document is declared
// as the worse case: see docs/gateways/square.md.
func Capabilities() payment.Capabilities {
	return payment.Capabilities{
		Repeat: payment.RepeatFirstSuccess, KeyLifetime: HoldFor, MaxKeyBytes: MaxKeyBytes,
		LooksUp: true, LookupLag: DefaultLookupLag,
		LookupForgets: false, // payments are listed for a year and more
		SavesDeclines: false, // what a repeat of a declined request gets is not documented
		Cancels:       true, CancelsByKey: true,
		NeedsMethod:  true,
		Asynchronous: payment.OperationCharge | payment.OperationRefund, // PENDING
		Operations:   payment.OperationCapture | payment.OperationVoid | payment.OperationRefund,
	}
}

// locationPattern is stricter than Square, whose location ids have at most 32 characters, because the
// id is a part of a path and of the gateway's identity.
var locationPattern = regexp.MustCompile(`^[A-Za-z0-9_-]{1,32}$`)

// versionPattern is the form of a Square-Version ("Versioning in Square APIs").
var versionPattern = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}$`)

func (o Options) check() error {
	switch {
	case hosts[o.Environment] == "":
		return errors.New("the environment of Square must be sandbox or production")
	case !locationPattern.MatchString(o.LocationID) || o.LocationID == "main":
		return errors.New("the location of Square must be a location id, such as L88917AVBK2S5; see Locations in the developer console")
	case o.Token == nil:
		return errors.New("an access token of Square is missing")
	case o.Timeout <= 0:
		return errors.New("the gateway timeout must be above zero")
	case o.Connections < 0:
		return errors.New("gateway connections must be at least 1")
	case o.Version != "" && !versionPattern.MatchString(o.Version):
		return errors.New("the API version of Square must be a date, such as " + DefaultVersion)
	case o.KeyLifetime < 0 || o.KeyLifetime > HoldFor:
		return fmt.Errorf("the key lifetime of Square must be above zero and at most %s: after that, Square has cancelled the hold of a key", HoldFor)
	case o.LookupLag < 0:
		return errors.New("the lookup lag must be above zero")
	}
	return nil
}

// base returns the address of the API. Plain HTTP is for loopback only, because each request carries
// the access token.
func (o Options) base() (*url.URL, error) {
	u, err := url.Parse(cmp.Or(o.BaseURL, hosts[o.Environment]))
	switch {
	case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "":
		return nil, errors.New("the address of Square must look like https://host:port")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("the address of Square must hold no user name, password, ? or #")
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return nil, errors.New("the address of Square must begin with https://, because each request carries the access token")
	}
	for environment, host := range hosts {
		if environment != o.Environment && strings.EqualFold("https://"+u.Hostname(), host) {
			return nil, fmt.Errorf("%s is Square's address for %s, but the environment is %s", u.Hostname(), environment, o.Environment)
		}
	}
	if u.Path == "" {
		u.Path = "/" // otherwise JoinPath returns a relative path
	}
	return u, nil
}

func loopback(host string) bool {
	address, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && address.IsLoopback()
}

// Capabilities returns what Square can prove; see ports.Gateway.
func (g *Gateway) Capabilities() payment.Capabilities { return g.capabilities }

// Address names the system of the gateway: the base URL and the location.
func (g *Gateway) Address() string {
	return g.base.Scheme + "://" + strings.ToLower(g.base.Host) + strings.TrimRight(g.base.EscapedPath(), "/") + " " + g.location
}

// Close closes the idle connections. Calls in flight are not interrupted.
func (g *Gateway) Close() { g.client.Close() }
