package gateways

import (
	"fmt"

	"paymentd/adapters/sandbox"
	"paymentd/core/audit"
	"paymentd/core/payment"
	"paymentd/ports"
)

// Listing is an open gateway that is only asked, for an audit.
type Listing interface {
	audit.Gateway
	Close() error
}

// Declared returns what a gateway with these options declares. It makes no call. The ledger of a sandbox may be in use
// by the service at the same time, or be missing where the command runs; it is neither read nor created.
func (k Kind) Declared(o Options) (payment.Capabilities, error) {
	if k.File != nil {
		return sandbox.Declared(k.File(o.Address), o.sandbox()...)
	}
	g, err := k.Open(o)
	if err != nil {
		return payment.Capabilities{}, err
	}
	return g.Capabilities(), g.Close()
}

// sandbox returns the options of a sandbox that is only asked.
func (o Options) sandbox() []sandbox.Option {
	return []sandbox.Option{sandbox.WithLog(o.Log), sandbox.WithKeyLifetime(o.KeyLifetime), sandbox.WithID(o.ID)}
}

// OpenListing opens a gateway for an audit. A sandbox may be in use by the service at the same time, and
// is not created. The error wraps ports.ErrNoLedger if gateways of the kind have no list of their charges.
func (k Kind) OpenListing(o Options) (Listing, error) {
	if k.File != nil {
		return sandbox.OpenReader(k.File(o.Address), o.sandbox()...)
	}
	g, err := k.Open(o)
	if err != nil {
		return nil, err
	}
	listing, has := g.(Listing)
	if !has {
		_ = g.Close() // it was not used
		return nil, fmt.Errorf("%w: no gateway of the kind %s has one", ports.ErrNoLedger, k.Name)
	}
	return listing, nil
}
