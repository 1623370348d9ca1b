// Package gateways holds the table of gateway kinds. The settings, the wiring, the doctor and
// docs/configuration.md read it: to add a gateway, add its adapter and one row to [Kinds].
package gateways

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"paymentd/adapters/httpgateway"
	"paymentd/adapters/sandbox"
	"paymentd/core/payment"
	"paymentd/internal/doctor"
	"paymentd/ports"
)

// Kind is a kind of gateway that PAYMENTD_GATEWAY may name.
type Kind struct {
	Name    string   // as in messages and in the docs
	Schemes []string // how an address of this kind begins
	Address string   // the form of an address, as it continues "must be"
	Summary string   // what the gateway is
	// MovesMoney is false for a simulation. A gateway that moves no money must be named
	// explicitly if the database or the listen address suggests real payments.
	MovesMoney bool
	// Remote gateways are called over the network: each attempt may need a connection, and
	// PAYMENTD_GATEWAY_NAME may replace the address as their identity.
	Remote bool
	// Capabilities are the defaults; the adapter declares those of an open gateway.
	Capabilities payment.Capabilities
	// File returns the path of the file that the gateway at this address keeps in the process; nil if
	// it keeps none.
	File func(address string) string
	// Open returns the gateway. Its errors name what is wrong with the address.
	Open func(Options) (Gateway, error)
}

// Kinds are all kinds of gateways.
var Kinds = []Kind{
	{
		Name: "sandbox", Schemes: []string{"sandbox:"}, Address: "sandbox: or sandbox:LEDGER-FILE",
		Summary: "a simulation inside the process",
		Capabilities: payment.Capabilities{
			Repeat: payment.RepeatFirstSuccess, LooksUp: true, LookupForgets: true, SavesDeclines: true,
			Cancels: true, Asynchronous: payment.OperationCharge, Operations: payment.OperationVoid,
		},
		File: ledger, Open: openSandbox,
	},
	{
		Name: "http", Schemes: []string{"http://", "https://"}, Address: "the http:// or https:// base address of a gateway",
		Summary:    "a gateway that speaks the gateway protocol",
		MovesMoney: true, Remote: true,
		Capabilities: payment.Capabilities{
			Repeat: payment.RepeatFirstSuccess, LooksUp: true, KeyLifetime: 24 * time.Hour, LookupForgets: true, SavesDeclines: true,
			Cancels: true, Asynchronous: payment.OperationCharge, Operations: payment.OperationVoid,
		},
		Open: openHTTP,
	},
}

// Options are the settings of a gateway. A kind ignores those that it does not need.
type Options struct {
	Address     string
	Timeout     time.Duration // of one attempt
	Connections int           // attempts that may run at once
	ID          payment.GatewayID
	KeyLifetime time.Duration
	LookupLag   time.Duration
	// Header adds to the header of each request, such as the ids of a trace; nil for nothing.
	Header func(context.Context, http.Header)
	Log    *slog.Logger
}

// Gateway is an open gateway.
type Gateway interface {
	ports.Gateway
	// Doctor checks the gateway without a charge. away is the level of a finding that a gateway that is
	// down causes.
	Doctor(ctx context.Context, away doctor.Level) doctor.Finding
	Close() error
}

// Find returns the kind of gateway at the address.
func Find(address string) (Kind, bool) {
	for _, k := range Kinds {
		for _, scheme := range k.Schemes {
			if strings.HasPrefix(address, scheme) {
				return k, true
			}
		}
	}
	return Kind{}, false
}

// Schemes returns how addresses of gateways may begin, such as "sandbox:, http:// or https://".
func Schemes() string {
	var all []string
	for _, k := range Kinds {
		all = append(all, k.Schemes...)
	}
	last := len(all) - 1
	return strings.Join(all[:last], ", ") + " or " + all[last]
}

// Addresses returns the forms of the addresses of all kinds.
func Addresses() string {
	return join(", or ", func(k Kind) string { return k.Address })
}

// Summaries returns what the gateways of all kinds are.
func Summaries() string {
	return join(", or ", func(k Kind) string { return k.Summary })
}

// KeyLifetimes returns the default key lifetimes of all kinds, such as "forever for the sandbox gateway".
func KeyLifetimes() string {
	return join(", ", func(k Kind) string { return Lifetime(k.Capabilities.KeyLifetime) + " for the " + k.Name + " gateway" })
}

// Lifetime formats a key lifetime in whole hours, or as forever if it is zero.
func Lifetime(d time.Duration) string {
	if d == 0 {
		return "forever"
	}
	return strings.TrimSuffix(d.String(), "0m0s")
}

func join(separator string, text func(Kind) string) string {
	var all []string
	for _, k := range Kinds {
		all = append(all, text(k))
	}
	return strings.Join(all, separator)
}

// defaultLedger is the file of a sandbox whose address names none.
const defaultLedger = "paymentd-sandbox.ledger"

func ledger(address string) string {
	return cmp.Or(strings.TrimPrefix(address, "sandbox:"), defaultLedger)
}

type sandboxGateway struct{ *sandbox.Gateway }

func openSandbox(o Options) (Gateway, error) {
	path := ledger(o.Address)
	g, err := sandbox.Open(path, sandbox.WithLog(o.Log), sandbox.WithKeyLifetime(o.KeyLifetime))
	if err != nil {
		return nil, err
	}
	o.Log.Warn("payments go to the sandbox: no money moves", "ledger", path)
	return sandboxGateway{g}, nil
}

type httpGateway struct{ *httpgateway.Gateway }

func openHTTP(o Options) (Gateway, error) {
	options := []httpgateway.Option{
		httpgateway.WithConnections(o.Connections), httpgateway.WithID(o.ID),
		httpgateway.WithKeyLifetime(o.KeyLifetime), httpgateway.WithLookupLag(o.LookupLag),
	}
	if o.Header != nil {
		options = append(options, httpgateway.WithHeader(o.Header))
	}
	g, err := httpgateway.New(o.Address, o.Timeout, options...)
	if err != nil {
		return nil, err
	}
	return httpGateway{g}, nil
}

// Close closes the idle connections.
func (g httpGateway) Close() error {
	g.Gateway.Close()
	return nil
}
