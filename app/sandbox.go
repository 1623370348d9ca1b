package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"paymentd/adapters/sandbox"
)

// maxLatency is below what the sandbox's server takes to give up writing an answer.
const maxLatency = 30 * time.Second

type sandboxCommand struct {
	Addr    string        `default:"127.0.0.1:3001" env:"PAYMENTD_SANDBOX_ADDR" help:"Address to listen on, host:port."`
	Ledger  string        `default:"sandbox.ledger" env:"PAYMENTD_SANDBOX_LEDGER" help:"File that keeps every charge."`
	Latency time.Duration `default:"0s" env:"PAYMENTD_SANDBOX_LATENCY" help:"Time that each charge takes."`

	ForgetAfter time.Duration `default:"0s" env:"PAYMENTD_SANDBOX_FORGET_AFTER" help:"How long an idempotency key is remembered after its first use, such as 24h; then a repeat is a new charge, and a lookup finds nothing. 0s for ever."`
}

// Help lists the amounts that make the sandbox misbehave.
func (sandboxCommand) Help() string {
	var b strings.Builder
	b.WriteString("Amounts that make it misbehave, in any currency:\n\n")
	for _, a := range sandbox.Amounts() {
		fmt.Fprintf(&b, "%s %s\n\n", a.Value, a.Does)
	}
	return b.String()
}

// Validate checks the settings. Kong calls it.
func (s *sandboxCommand) Validate() error {
	if _, err := hostOf(s.Addr); err != nil {
		return sandboxSetting("addr", err.Error())
	}
	if s.Latency < 0 || s.Latency > maxLatency {
		return sandboxSetting("latency", fmt.Sprintf("must be from 0s to %v, and is %v", maxLatency, s.Latency))
	}
	if s.ForgetAfter < 0 {
		return sandboxSetting("forget-after", fmt.Sprintf("must be 0s (for ever) or more, and is %v", s.ForgetAfter))
	}
	return nil
}

func sandboxSetting(flag, problem string) error {
	return &settingError{flag: flag, variable: "PAYMENTD_SANDBOX_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_")), problem: problem}
}

func (s *sandboxCommand) Run(ctx context.Context, p process) error {
	calmCollector()
	log := p.serviceLogger("info")
	return bounded(ctx, 2*stopGrace, func() error { return s.serve(ctx, log) })
}

func (s *sandboxCommand) serve(ctx context.Context, log *slog.Logger) error {
	gateway, err := sandbox.Open(s.Ledger, sandbox.WithLog(log), sandbox.WithLatency(s.Latency),
		sandbox.WithForgetAfter(s.ForgetAfter))
	if err != nil {
		return sandboxSetting("ledger", err.Error())
	}
	defer func() { _ = gateway.Close() }()
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.Addr)
	if err != nil {
		return sandboxSetting("addr", cannotListen(s.Addr, err))
	}
	server := sandbox.NewServer(gateway)
	stopped := make(chan struct{})
	context.AfterFunc(ctx, func() {
		defer close(stopped)
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopGrace)
		defer cancel()
		if server.Shutdown(stop) != nil {
			_ = server.Close()
		}
	})
	log.Info("the sandbox gateway listens", "addr", l.Addr().String(), "ledger", s.Ledger)
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	<-stopped // Serve returns before the calls in flight have
	return nil
}
