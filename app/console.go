package app

import (
	"log/slog"

	"paymentd/adapters/console"
	"paymentd/adapters/httpapi"
	"paymentd/app/config"
	"paymentd/app/gateways"
	"paymentd/core"
	"paymentd/core/keycache"
)

// newConsole returns nil if the console is switched off.
func newConsole(
	cfg config.Config, service *core.Service, r *Repository, keys *keycache.Cache, options httpapi.Options, set gateways.Set,
	watched console.Watched,
	v Version, log *slog.Logger,
) *console.Console {
	if !cfg.Console {
		return nil
	}
	return console.New(core.NewOperator(service, r), console.Options{
		Keys: keys, APIKeys: r.Keys(), Sessions: r.Sessions(),
		Endpoints: r.Endpoints(), Outbox: r.Outbox(), Acts: r.AdminHistory(), CheckEndpoint: cfg.EndpointsAllow.Check,
		ClientOf: options.TrustedProxies.ClientOf, AcceptHost: options.AllowedHosts.Accept,
		WithTLS: options.Certificate != nil, Replica: service.Replica, Version: string(v), Sandbox: !set.MovesMoney(),
		Watched:      watched,
		WriteTimeout: options.WriteTimeout, Log: log,
	})
}
