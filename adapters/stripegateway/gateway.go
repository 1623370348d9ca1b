package stripegateway

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"paymentd/core/payment"
	"paymentd/internal/httpcall"
)

// DefaultBaseURL is the address of Stripe's API.
const DefaultBaseURL = "https://api.stripe.com"

// What Stripe promises about keys and lookups.
const (
	// KeyLifetime is how long Stripe keeps an idempotency key at least ("You can remove keys from the
	// system automatically after they're at least 24 hours old", docs.stripe.com/api/idempotent_requests).
	KeyLifetime = 24 * time.Hour
	// MaxKeyBytes is the longest idempotency key (docs.stripe.com/api/idempotent_requests).
	MaxKeyBytes = 255
	// LookupLag is how long after a charge a lookup may not see it yet. Search lags by less than a minute
	// normally, and by up to an hour when it is disturbed (docs.stripe.com/search#data-freshness). The same
	// page names the list APIs for reading what was just written, but nothing promises a bound for them,
	// so that the longest published lag counts for both.
	LookupLag = time.Hour
)

const (
	defaultConnections = 64
	defaultTimeout     = 10 * time.Second
)

// Options are the settings of a [Gateway].
type Options struct {
	// SecretKey returns the secret or restricted API key (sk_… or rk_…). It is called for each request, so
	// that a key file may change. A key of the other mode (live or test) than at the start is not used.
	// Required.
	SecretKey func() string
	// WebhookSecrets returns the signing secrets of the webhook endpoint (whsec_…): one, or two while a
	// secret is replaced. Nil if no events are received.
	WebhookSecrets func() []string
	// BaseURL is the address of the API without a path; [DefaultBaseURL] by default. http:// is accepted
	// for a loopback host only.
	BaseURL string
	// Account is the id of the account (acct_…). It is part of the gateway's identity, and the probe
	// compares it with the account of the secret key. Without it, two accounts have the same identity.
	Account string
	// ReturnURL is the page to which Stripe sends a customer who had to act; empty for none. Payment
	// methods that redirect need it.
	ReturnURL string
	// ID replaces the identity that follows from the account.
	ID payment.GatewayID
	// Timeout bounds one attempt with the cancellation that a decline needs, and one lookup with all its
	// pages; 10 s by default.
	Timeout time.Duration
	// Connections is how many idle connections are kept; 64 by default.
	Connections int
	// RootCAs are trusted instead of the system's authorities, for a private API endpoint in tests.
	RootCAs *x509.CertPool
	// Dial opens connections in place of TCP, for tests in virtual time; nil for TCP.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Header adds to the header of each request, such as the ids of a trace; nil for nothing.
	Header func(context.Context, http.Header)
	// KeyLifetime and LookupLag replace [KeyLifetime], which is the maximum, and [LookupLag]; zero for the
	// default. A search that finds nothing proves nothing if the lag is shorter than the default.
	KeyLifetime time.Duration
	LookupLag   time.Duration
}

// Gateway charges through one Stripe account. It is safe for concurrent use.
type Gateway struct {
	options      Options
	base         *url.URL
	live         bool
	capabilities payment.Capabilities
	client       *httpcall.Client
}

// New returns a gateway. Its errors name the setting that is wrong, and never contain a secret.
func New(o Options) (*Gateway, error) {
	if o.SecretKey == nil {
		return nil, errors.New("stripe: the secret key is missing")
	}
	mode := keyMode(o.SecretKey())
	if mode == modeUnknown {
		return nil, errors.New("stripe: the secret key must begin with sk_live_, sk_test_, rk_live_ or rk_test_")
	}
	if o.Account != "" && !validID(o.Account, "acct_") {
		return nil, errors.New("stripe: the account must look like acct_1N3T5uLkdIwHu7ix")
	}
	o.Timeout, o.Connections = cmp.Or(o.Timeout, defaultTimeout), cmp.Or(o.Connections, defaultConnections)
	o.KeyLifetime, o.LookupLag = cmp.Or(o.KeyLifetime, KeyLifetime), cmp.Or(o.LookupLag, LookupLag)
	if o.Timeout < 0 || o.Connections < 0 || o.KeyLifetime < 0 || o.LookupLag < 0 {
		return nil, errors.New("stripe: timeout, connections, key lifetime and lookup lag must be above zero")
	}
	if o.KeyLifetime > KeyLifetime {
		return nil, errors.New("stripe: the key lifetime must be at most 24h, because Stripe may forget a key then")
	}
	if o.ReturnURL != "" {
		if err := payment.CheckRedirectURL(o.ReturnURL); err != nil {
			return nil, fmt.Errorf("stripe: the return URL cannot be used: %w", err)
		}
	}
	base, err := parseBase(cmp.Or(o.BaseURL, DefaultBaseURL))
	if err != nil {
		return nil, err
	}
	if o.Header == nil {
		o.Header = func(context.Context, http.Header) {}
	}
	g := &Gateway{options: o, base: base, live: mode == modeLive}
	g.capabilities = payment.Capabilities{
		Gateway: cmp.Or(o.ID, identity(base, o.Account, mode)),
		// A repeat gets the first answer, also a 500 (docs.stripe.com/api/idempotent_requests).
		Repeat: payment.RepeatFirstAnswer, KeyLifetime: o.KeyLifetime, MaxKeyBytes: MaxKeyBytes,
		// PaymentIntents are kept for longer than keys, so that a lookup does not forget.
		LooksUp: true, LookupLag: o.LookupLag,
		SavesDeclines: true,
		Cancels:       true, NeedsMethod: true, ReturnURL: o.ReturnURL,
		Asynchronous: payment.OperationCharge | payment.OperationRefund,
		Operations:   payment.OperationCapture | payment.OperationVoid | payment.OperationRefund,
	}
	g.client = httpcall.New(httpcall.Options{Timeout: o.Timeout, Connections: o.Connections, RootCAs: o.RootCAs, Dial: o.Dial})
	return g, nil
}

// Capabilities returns what Stripe can prove; see ports.Gateway.
func (g *Gateway) Capabilities() payment.Capabilities { return g.capabilities }

// Address names the system of the gateway: the base URL, the account if it is set, and the mode. Another secret key of
// the same account and mode does not change it.
func (g *Gateway) Address() string {
	m := modeTest
	if g.live {
		m = modeLive
	}
	return strings.Join(strings.Fields(strings.TrimSuffix(g.base.String(), "/")+" "+g.options.Account+" "+string(m)), " ")
}

// Live reports whether the gateway moves money: its secret key is of live mode.
func (g *Gateway) Live() bool { return g.live }

// Close closes the idle connections. Calls in flight are not interrupted.
func (g *Gateway) Close() { g.client.Close() }

// parseBase parses the base URL. Its errors never contain the URL, which may have a password by mistake.
func parseBase(base string) (*url.URL, error) {
	u, err := url.Parse(base)
	switch {
	case err != nil, u.Hostname() == "", u.Opaque != "":
		return nil, errors.New("stripe: the base URL must look like " + DefaultBaseURL)
	case u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())):
		return nil, errors.New("stripe: the base URL must begin with https://; http:// is for a loopback host only")
	case u.User != nil, strings.Trim(u.Path, "/") != "", u.RawQuery != "", u.ForceQuery, u.Fragment != "":
		return nil, errors.New("stripe: the base URL must end with the host and port")
	}
	return &url.URL{Scheme: u.Scheme, Host: strings.ToLower(u.Host), Path: "/"}, nil
}

func loopback(host string) bool {
	return host == "localhost" || host == "::1" || strings.HasPrefix(host, "127.")
}

type mode string

const (
	modeUnknown mode = ""
	modeLive    mode = "live"
	modeTest    mode = "test"
)

// keyMode returns the mode of a secret or restricted key (docs.stripe.com/keys). A publishable key can
// neither charge nor look up.
func keyMode(secret string) mode {
	for prefix, m := range map[string]mode{
		"sk_live_": modeLive, "rk_live_": modeLive, "sk_test_": modeTest, "rk_test_": modeTest,
	} {
		if rest, found := strings.CutPrefix(secret, prefix); found && rest != "" && printable(secret) {
			return m
		}
	}
	return modeUnknown
}

// identity returns the identity of the account, such as "stripe:acct_1N3T:test". A new secret key of the
// account does not change it.
func identity(base *url.URL, account string, m mode) payment.GatewayID {
	name := account
	if name == "" && base.String() != DefaultBaseURL+"/" {
		name = strings.TrimSuffix(base.String(), "/")
	}
	if name == "" {
		return payment.GatewayID(fmt.Sprintf("stripe:%s", m))
	}
	return payment.GatewayID(fmt.Sprintf("stripe:%s:%s", name, m))
}

// printable reports whether s has only printable ASCII characters without spaces.
func printable(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

const idCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"

// validID reports whether s is an id of Stripe's with the prefix. It goes into a path, so that an empty id or
// one with a slash would address something else.
func validID(s, prefix string) bool {
	rest, found := strings.CutPrefix(s, prefix)
	if !found || rest == "" || len(s) > payment.MaxTransactionIDBytes {
		return false
	}
	for i := range len(rest) {
		if !strings.ContainsRune(idCharacters, rune(rest[i])) {
			return false
		}
	}
	return true
}
