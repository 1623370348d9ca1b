package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"

	"paymentd/adapters/sandbox"
	"paymentd/app"
	"paymentd/app/config"
	"paymentd/app/gateways"
)

type sandboxCommand struct{ config.Sandbox }

// Help lists the amounts that make the sandbox misbehave.
func (sandboxCommand) Help() string {
	var b strings.Builder
	b.WriteString("Amounts that make it misbehave, in any currency. A capture or a refund of such an amount behaves as a charge does; " +
		"one of 9201 stays pending. A charge with capture manual is authorized if it would be approved.\n\n")
	for _, a := range sandbox.Amounts() {
		fmt.Fprintf(&b, "%s %s\n\n", a.Value, a.Does)
	}
	return b.String()
}

func (c *sandboxCommand) Run(ctx context.Context, s stdio) error {
	setGCPercent()
	log := s.serverLogger("info")
	return bounded(ctx, 2*app.StopGrace, func() error { return c.serve(ctx, log) })
}

func (c *sandboxCommand) serve(ctx context.Context, log *slog.Logger) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.Addr)
	if err != nil {
		return config.InvalidSandbox("addr", app.CannotListen(c.Addr, err))
	}
	defer func() { _ = l.Close() }()
	options := []sandbox.Option{
		sandbox.WithLog(log), sandbox.WithLatency(c.Latency), sandbox.WithForgetAfter(c.ForgetAfter), sandbox.WithHoldFor(c.HoldFor),
	}
	if c.EventsURL != "" {
		secret, err := gateways.ReadWebhookSecret(c.EventsSecretFile)
		if err != nil {
			return config.InvalidSandbox("events-secret-file", err.Error())
		}
		options = append(options, sandbox.WithEvents(c.EventsURL, secret))
	}
	gateway, err := sandbox.Open(c.Ledger, options...)
	if err != nil {
		return config.InvalidSandbox("ledger", err.Error())
	}
	defer func() { _ = gateway.Close() }()
	server := sandbox.NewServer(gateway)
	stopped := make(chan struct{})
	context.AfterFunc(ctx, func() {
		defer close(stopped)
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), app.StopGrace)
		defer cancel()
		if server.Shutdown(stop) != nil {
			_ = server.Close()
		}
	})
	log.Info("the sandbox gateway listens", "addr", l.Addr().String(), "ledger", c.Ledger)
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	<-stopped // Serve returns before the calls in flight do
	return nil
}
