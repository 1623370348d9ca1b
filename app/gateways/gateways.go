// Package gateways holds the table of gateway kinds. The settings, the wiring, the doctor and
// docs/configuration.md read it: to add a gateway, add its adapter and one row to [Kinds].
package gateways

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"paymentd/adapters/httpapi"
	"paymentd/adapters/squaregateway"
	"paymentd/adapters/stripegateway"
	"paymentd/core/payment"
	"paymentd/internal/doctor"
	"paymentd/internal/filewatch"
	"paymentd/ports"
)

// Kind is a kind of gateway that PAYMENTD_GATEWAY may name.
type Kind struct {
	Name    string   // as in messages and in the docs
	Schemes []string // how an address of this kind begins; none if it is only in the gateways file
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
	// Sources say what the capabilities of a vendor's gateway rest on; nil if they are our own.
	Sources *Sources
	// File returns the path of the file that the gateway at this address keeps in the process; nil if
	// it keeps none.
	File func(address string) string
	// Fields are those that a gateway of this kind has in the gateways file, beside the common ones.
	Fields []Field
	// IsTest reports whether a gateway with these options provably moves no real money: test credentials, or
	// a loopback address. Nil if that cannot be known.
	IsTest func(Options) bool
	// Open returns the gateway. Its errors say what is wrong with the options.
	Open func(Options) (Gateway, error)
}

// Kinds are all kinds of gateways.
var Kinds = []Kind{
	{
		Name: "sandbox", Schemes: []string{"sandbox:"}, Address: "sandbox: or sandbox:LEDGER-FILE",
		Summary: "a simulation inside the process",
		Capabilities: payment.Capabilities{
			Repeat: payment.RepeatFirstSuccess, LooksUp: true, LookupForgets: true, SavesDeclines: true,
			Cancels:      true,
			Asynchronous: payment.OperationCharge | payment.OperationCapture | payment.OperationVoid | payment.OperationRefund,
			Operations:   payment.OperationCapture | payment.OperationVoid | payment.OperationRefund,
		},
		Fields: []Field{ledgerField, keyLifetimeField},
		File:   ledger, Open: openSandbox,
	},
	{
		Name: "http", Schemes: []string{"http://", "https://"}, Address: "the http:// or https:// base address of a gateway",
		Summary:    "a gateway that speaks the gateway protocol",
		MovesMoney: true, Remote: true,
		Capabilities: payment.Capabilities{
			Repeat: payment.RepeatFirstSuccess, LooksUp: true, KeyLifetime: 24 * time.Hour, LookupForgets: true, SavesDeclines: true,
			Cancels:      true,
			Asynchronous: payment.OperationCharge | payment.OperationCapture | payment.OperationVoid | payment.OperationRefund,
			Operations:   payment.OperationCapture | payment.OperationVoid | payment.OperationRefund,
		},
		Fields: []Field{
			urlField, bearerField, clientCertificateField, clientKeyField, caField, headersField, keyLifetimeField, lookupLagField,
			operationsField, webhookSecretField,
		},
		IsTest: isLoopback, Open: openHTTP,
	},
	{
		Name: "stripe", Summary: "an account of Stripe", MovesMoney: true, Remote: true,
		Capabilities: payment.Capabilities{
			Repeat: payment.RepeatFirstAnswer, KeyLifetime: stripegateway.KeyLifetime, MaxKeyBytes: stripegateway.MaxKeyBytes,
			LooksUp: true, LookupLag: stripegateway.LookupLag, SavesDeclines: true, Cancels: true, NeedsMethod: true,
			Asynchronous: payment.OperationCharge | payment.OperationRefund,
			Operations:   payment.OperationCapture | payment.OperationVoid | payment.OperationRefund,
		},
		Sources: &stripeSources,
		Fields:  []Field{secretKeyField, stripeWebhookSecretField, accountField, returnURLField, stripeURLField, caField},
		Open:    openStripe,
	},
	{
		Name: "square", Summary: "a location of Square", MovesMoney: true, Remote: true,
		Capabilities: squaregateway.Capabilities(), Sources: &squareSources,
		Fields: []Field{environmentField, locationField, accessTokenField, squareWebhookSecretField, notificationURLField, versionField, squareURLField, caField},
		Open:   openSquare,
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
	// Operations are what the gateway can do beside a charge; nil for all that a gateway of the kind can.
	Operations *payment.Operations

	BearerFile        string // a token that each request has
	ClientCertificate string // the files of a certificate and its key, which the gateway may ask for
	ClientKey         string
	CAFile            string            // of the authorities that are trusted instead of the system's
	Headers           map[string]string // further headers of each request

	SecretFile        string // the API key of Stripe, or the access token of Square
	WebhookSecretFile string
	NotificationURL   string // of the webhook subscription
	Account           string // the id of an account, which the key must belong to
	ReturnURL         string // to which customers who had to act return
	Environment       string
	Location          string
	Version           string // of the API

	// Files rereads the files of secrets; nil if they are read once.
	Files *filewatch.Set
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
	// Address names the system that the keys of the gateway are sent to: the base URL, with the account and the mode
	// (live, test) if the kind has them. It is empty if nothing but the identity can change.
	Address() string
	// Events reads the gateway's events; nil if it has no secret to verify them with.
	Events() httpapi.EventReader
	Close() error
}

// FindName returns the kind of gateway with the name.
func FindName(name string) (Kind, bool) {
	i := slices.IndexFunc(Kinds, func(k Kind) bool { return k.Name == name })
	if i < 0 {
		return Kind{}, false
	}
	return Kinds[i], true
}

// Names returns the names of all kinds, such as "sandbox or http".
func Names() string {
	var all []string
	for _, k := range Kinds {
		all = append(all, k.Name)
	}
	last := len(all) - 1
	return strings.Join(all[:last], ", ") + " or " + all[last]
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

// Addresses returns the forms of the addresses of the kinds that have one.
func Addresses() string {
	return join(", or ", func(k Kind) string { return k.Address })
}

// Summaries returns what the gateways of those kinds are.
func Summaries() string {
	return join(", or ", func(k Kind) string { return k.Summary })
}

// KeyLifetimes returns the default key lifetimes of those kinds, such as "forever for the sandbox gateway".
func KeyLifetimes() string {
	return join(", ", func(k Kind) string { return Lifetime(k.Capabilities.KeyLifetime) + " for the " + k.Name + " gateway" })
}

// Lifetime formats a key lifetime, or as forever if it is zero.
func Lifetime(d time.Duration) string {
	if d == 0 {
		return "forever"
	}
	return short(d)
}

// short formats a duration without units that are zero: 24h, not 24h0m0s.
func short(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

func join(separator string, text func(Kind) string) string {
	var all []string
	for _, k := range Kinds {
		if k.Address != "" {
			all = append(all, text(k))
		}
	}
	return strings.Join(all, separator)
}

// defaultLedger is the file of a sandbox whose address names none.
const defaultLedger = "paymentd-sandbox.ledger"

func ledger(address string) string {
	return cmp.Or(strings.TrimPrefix(address, "sandbox:"), defaultLedger)
}
