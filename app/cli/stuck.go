package cli

import (
	"cmp"
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"paymentd/app"
	"paymentd/app/config"
	"paymentd/core/payment"
	"paymentd/ports"
)

type stuckCommand struct {
	databaseFlags

	Limit int `default:"100" help:"How many payments to list at most, the newest first."`
}

// Validate checks the settings. kong calls it.
func (c *stuckCommand) Validate() error {
	if c.Limit < 1 {
		return config.InvalidFlag("limit", "must be above zero")
	}
	return c.databaseFlags.Validate()
}

func (c *stuckCommand) Run(ctx context.Context, s stdio) error {
	return c.withPayments(ctx, s, func(r *app.Repository) error {
		waiting, err := r.List(ctx, ports.ListQuery{Limit: c.Limit, States: []payment.State{
			payment.StateProcessing, payment.StateScheduled, payment.StatePending, payment.StateUnresolved,
		}})
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(s.stdout, 0, 0, 2, ' ', 0)
		_, _ = fmt.Fprintln(w, "ORDER\tSTATE\tGATEWAY\tSINCE\tATTEMPTS\tNEXT\tWHY")
		for _, p := range waiting.Payments {
			_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%s\t%s\n", p.OrderID, p.State, cmp.Or(string(p.Gateway), "-"),
				p.SeenAt.Sub(p.CreatedAt).Round(time.Second), p.Attempts(), next(p), why(p))
		}
		if err := w.Flush(); err != nil {
			return err
		}
		return printUnreadable(s, waiting.Unreadable)
	})
}

// next describes when the service continues with a payment.
func next(p payment.Payment) string {
	if p.DueAt.IsZero() {
		return "never"
	}
	if in := p.DueAt.Sub(p.SeenAt).Round(time.Second); in > 0 {
		return "in " + in.String()
	}
	return "now"
}

// why describes why a payment has no final state.
func why(p payment.Payment) string {
	switch {
	case p.State == payment.StateProcessing && p.Claimed(p.SeenAt):
		return "claimed by " + p.Replica
	case p.State == payment.StateProcessing:
		return "its worker is gone: " + p.Replica
	default:
		return cmp.Or(p.Reason, "accepted for later")
	}
}
