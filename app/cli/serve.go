package cli

import (
	"context"
	"os"

	"github.com/alecthomas/kong"

	"paymentd/app"
	"paymentd/app/config"
)

type serveCommand struct{ config.Config }

func (c *serveCommand) Run(ctx context.Context, parsed *kong.Context, s stdio) error {
	if err := c.CheckGatewayNamed(parsed); err != nil {
		return err
	}
	setGCPercent()
	log := s.serverLogger(c.LogLevel)
	for _, name := range config.StrayPorts(os.Environ()) {
		log.Warn("a variable has the name of one that Kubernetes sets, and is not a setting; "+
			"PAYMENTD_ADDR sets the address to listen on", "variable", name)
	}
	return bounded(ctx, c.Shutdown, func() error {
		return app.Serve(ctx, c.Config, app.Version(s.version), log, s.log.Dropped)
	})
}
