package cli

import (
	"context"
	"fmt"
	"time"

	"paymentd/adapters/resilience"
	"paymentd/app"
	"paymentd/app/config"
	"paymentd/core"
	"paymentd/core/payment"
)

type resolveCommand struct {
	databaseFlags

	Order     string `arg:"" help:"Order whose payment is unresolved or pending, or failed while its last key may still have charged."`
	Succeeded string `placeholder:"TXN" xor:"outcome" required:"" help:"The money was taken, with this transaction id of the gateway."`
	Failed    bool   `xor:"outcome" required:"" help:"The money was not taken, and will not be."`
	Reason    string `help:"How you know. Required with --failed; kept in the payment's history."`
	By        string `env:"USER" default:"operator" help:"Your name; kept in the payment's history."`
	keyFlags
	InFlight payment.OrderID `placeholder:"ORDER" help:"The order again, to resolve it although a worker holds it, or held it last, and may be charging it."`
}

// keyFlags are the settings of the service that bound how long a request that was sent may still charge.
type keyFlags struct {
	Lease time.Duration `default:"30s" env:"PAYMENTD_LEASE" help:"PAYMENTD_LEASE of the service: bounds how long a worker may still charge."`
	Late  time.Duration `default:"1m" env:"PAYMENTD_LATE" help:"PAYMENTD_LATE of the service."`
}

// rules returns the rules for an outcome that an operator states, for which no gateway is asked.
func (f keyFlags) rules() payment.KeyRules {
	return payment.KeyRules{Late: f.Late, MaxLease: f.Lease + resilience.RetryOptions{}.MaxBackoff()}
}

func (c *resolveCommand) Run(ctx context.Context, s stdio) error {
	id, err := payment.ParseOrderID(c.Order)
	if err != nil {
		return err
	}
	if c.InFlight != "" && c.InFlight != id {
		return config.InvalidFlag("in-flight", "must name the order that is resolved, %s", c.Order)
	}
	r := payment.Resolution{
		OrderID: id, By: c.By, Rules: c.rules(), Worker: time.Now(), InFlight: c.InFlight != "",
		Outcome: payment.Outcome{State: payment.StateSucceeded, TransactionID: c.Succeeded, Reason: c.Reason},
	}
	if c.Failed {
		r.Outcome.State, r.Outcome.Code = payment.StateFailed, payment.CodeResolved
	}
	if err := r.Check(); err != nil { // before the database is opened
		return err
	}
	return c.withPayments(ctx, s, func(repository *app.Repository) error {
		if err := core.Resolve(ctx, repository, r); err != nil {
			return err
		}
		_, err := fmt.Fprintf(s.stdout, "%s is %s\n", id, r.Outcome.State)
		return err
	})
}
