package app

import (
	"log/slog"
	"time"

	"paymentd/app/config"
	"paymentd/core/payment"
)

// KeyRules returns the rules for keys of the configured gateways, for a command that stores requests for the queue of
// a service with the same settings. It calls no gateway and creates nothing. The error is a *config.SettingError.
func KeyRules(cfg config.Config, log *slog.Logger) (payment.KeyRules, error) {
	set, err := cfg.GatewaySet()
	if err != nil {
		return payment.KeyRules{}, err
	}
	rules := payment.KeyRules{Late: cfg.Late, Timeout: set.Timeout(), MaxLease: cfg.Lease + set.MaxBackoff() + time.Second}
	for _, s := range set.Gateways {
		s.Options.Connections, s.Options.Log = listingConnections, log
		can, err := s.Kind.Declared(s.Options)
		if err != nil {
			return payment.KeyRules{}, cannotOpen(cfg, s, err)
		}
		rules.Gateways = append(rules.Gateways, can)
	}
	rules.Capabilities = rules.Gateways[0]
	return rules, nil
}
