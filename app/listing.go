package app

import (
	"errors"
	"log/slog"

	"paymentd/app/config"
	"paymentd/app/gateways"
	"paymentd/core/payment"
	"paymentd/ports"
)

// listingConnections is enough, because an audit makes one call after another.
const listingConnections = 2

// OpenListings opens the gateways of the configuration for an audit. It creates nothing.
func OpenListings(cfg config.Config, log *slog.Logger) ([]gateways.Listing, error) {
	kind, known := gateways.Find(cfg.Gateway)
	if !known {
		return nil, config.Invalid("gateway", "must begin with "+gateways.Schemes())
	}
	g, err := kind.OpenListing(gateways.Options{
		Address: cfg.Gateway, Timeout: cfg.GatewayTimeout, Connections: listingConnections,
		ID: payment.GatewayID(cfg.GatewayName), KeyLifetime: cfg.KeyLifetime(), LookupLag: cfg.GatewayLookupLag, Log: log,
	})
	switch {
	case errors.Is(err, ports.ErrNoLedger):
		return nil, err
	case err != nil:
		return nil, config.Invalid("gateway", err.Error())
	}
	return []gateways.Listing{g}, nil
}
