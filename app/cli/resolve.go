package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"paymentd/adapters/resilience"
	"paymentd/app"
	"paymentd/app/config"
	"paymentd/core"
	"paymentd/core/payment"
	"paymentd/ports"
)

type resolveCommand struct {
	databaseFlags
	jsonFlag

	Order     string  `arg:"" help:"Order whose payment is unresolved or pending, or failed while its last key may still have charged."`
	Refund    *string `placeholder:"ID" xor:"operation" help:"The refund of the order to settle, instead of the payment: one that is in such a state."`
	Capture   bool    `xor:"operation" help:"Settle the capture of the order, instead of the payment."`
	Void      bool    `xor:"operation" help:"Settle the void of the order, instead of the payment."`
	Succeeded string  `placeholder:"TXN" xor:"outcome" required:"" help:"The money was taken (a payment, a capture), released (a void) or given back (a refund), with this transaction id of the gateway."`
	Held      string  `name:"authorized" placeholder:"TXN" xor:"outcome" required:"" help:"The money of a payment with manual capture is held, and not taken, with this transaction id of the gateway."`
	Failed    bool    `xor:"outcome" required:"" help:"The money was not taken, released or given back, and will not be. The amount of a refund is free again, and a hold can be captured or voided again."`
	Reason    string  `help:"How you know. Required with --failed; kept in the payment's history."`
	By        string  `env:"USER" default:"operator" help:"Your name; kept in the payment's history."`
	keyFlags
	InFlight payment.OrderID `placeholder:"ORDER" help:"The order again, to resolve it, or its operation, although a worker holds it, or held it last, and may be calling the gateway."`
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

// operation returns which operation of the order is settled: its charge, unless a flag names another one.
func (c *resolveCommand) operation() (payment.OperationID, error) {
	switch {
	case c.Refund != nil:
		return payment.ParseRefundID(*c.Refund)
	case c.Capture:
		return payment.OperationID{Kind: payment.KindCapture}, nil
	case c.Void:
		return payment.OperationID{Kind: payment.KindVoid}, nil
	}
	return payment.OperationID{}, nil
}

// Help describes what is kept and the exit codes.
func (resolveCommand) Help() string {
	return "The history of the payment keeps who did it, when, the state before and after, and the reason.\n\n" +
		"Exit code 0: settled. 1: there is no such payment or operation, or its outcome is not open. 2: no reason, or an invalid id."
}

// resolvedJSON is what an operator stated.
func resolvedJSON(r payment.Resolution) any {
	return struct {
		OrderID       string `json:"order_id"`
		Operation     string `json:"operation"`
		State         string `json:"state"`
		TransactionID string `json:"transaction_id,omitempty"`
		Reason        string `json:"reason,omitempty"`
		By            string `json:"by"`
	}{r.OrderID.String(), r.Operation.String(), string(r.Outcome.State), r.Outcome.TransactionID, r.Outcome.Reason, r.By}
}

func (c *resolveCommand) Run(ctx context.Context, s stdio) error {
	id, err := payment.ParseOrderID(c.Order)
	if err != nil {
		return err
	}
	if c.InFlight != "" && c.InFlight != id {
		return config.InvalidFlag("in-flight", "must name the order that is resolved, %s", c.Order)
	}
	operation, err := c.operation()
	if err != nil {
		return err
	}
	r := payment.Resolution{
		OrderID: id, Operation: operation, By: c.By, Rules: c.rules(), Worker: time.Now(), InFlight: c.InFlight != "",
		Outcome: payment.Outcome{State: payment.StateSucceeded, TransactionID: c.Succeeded, Reason: c.Reason},
	}
	switch {
	case c.Held != "":
		r.Outcome.State, r.Outcome.TransactionID = payment.StateAuthorized, c.Held
	case c.Failed:
		r.Outcome.State, r.Outcome.Code = payment.StateFailed, payment.CodeResolved
	}
	if err := r.Check(); err != nil { // before the database is opened
		return err
	}
	return c.withPayments(ctx, s, func(repository *app.Repository) error {
		what := id.String()
		if !operation.IsCharge() {
			what = operation.String() + " of " + what
		}
		switch err := core.Resolve(ctx, repository, r); {
		case errors.Is(err, ports.ErrNotFound) && !operation.IsCharge():
			return fmt.Errorf("there is no %s: nothing was changed", what)
		case err != nil:
			return err
		}
		if c.JSON {
			return writeJSON(s.stdout, resolvedJSON(r))
		}
		_, err := fmt.Fprintf(s.stdout, "%s is %s\n", what, r.Outcome.State)
		return err
	})
}
