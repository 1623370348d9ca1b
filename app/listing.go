package app

import (
	"errors"
	"fmt"
	"log/slog"

	"paymentd/app/config"
	"paymentd/app/gateways"
	"paymentd/ports"
)

// listingConnections is enough, because an audit makes few calls at the same time.
const listingConnections = 2

// OpenListings opens the gateways of the configuration for an audit, in its order. It creates nothing. The
// error wraps ports.ErrNoLedger, or is a *config.SettingError.
func OpenListings(cfg config.Config, log *slog.Logger) (all []gateways.Listing, err error) {
	set, err := cfg.GatewaySet()
	if err != nil {
		return nil, err
	}
	for _, s := range set.Gateways {
		s.Options.Connections, s.Options.Log = listingConnections, log
		g, err := s.Kind.OpenListing(s.Options)
		if err == nil {
			all = append(all, g)
			continue
		}
		for _, opened := range all {
			_ = opened.Close() // it has done nothing yet
		}
		if errors.Is(err, ports.ErrNoLedger) {
			return nil, fmt.Errorf("gateway %s: %w", s.Name, err)
		}
		return nil, cannotOpen(cfg, s, err)
	}
	return all, nil
}

// cannotOpen says which setting is wrong if a gateway cannot be opened.
func cannotOpen(cfg config.Config, s gateways.Settings, err error) error {
	if cfg.GatewaysFile != "" {
		return config.Invalid("gateways-file", fmt.Sprintf("%s:%d: gateway %s: %v", cfg.GatewaysFile, s.Line, s.Name, err))
	}
	return config.Invalid("gateway", err.Error())
}
