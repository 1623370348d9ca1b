package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"paymentd/app"
	"paymentd/app/config"
	"paymentd/core/payment"
	"paymentd/ports"
)

type stuckCommand struct {
	databaseFlags

	Limit int `default:"100" help:"How many payments to list at most, the newest first, and how many captures, voids and refunds, those that are due for the longest first."`
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
		operations, err := r.ListWaitingOperations(ctx, c.Limit)
		if err != nil {
			return err
		}
		if err := writeStuck(s.stdout, "ORDER", waiting.Payments); err != nil {
			return err
		}
		if len(operations.Operations) > 0 {
			_, _ = fmt.Fprintln(s.stdout) // the error is that of the table
			if err := writeStuck(s.stdout, "ORDER\tOPERATION", operations.Operations); err != nil {
				return err
			}
		}
		return printUnreadable(s, append(waiting.Unreadable, operations.Unreadable...))
	})
}

// writeStuck prints a table of payments or other operations. names is the heading of the columns that name them.
func writeStuck(to io.Writer, names string, waiting []payment.Payment) error {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintf(w, "%s\tSTATE\tGATEWAY\tSINCE\tATTEMPTS\tNEXT\tWHY\n", names)
	for _, p := range waiting {
		name := p.OrderID.String()
		if !p.Operation.IsCharge() {
			name += "\t" + p.Operation.String()
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%s\t%s\n", name, p.State, cmp.Or(string(p.Gateway), "-"),
			p.SeenAt.Sub(p.CreatedAt).Round(time.Second), p.Attempts(), next(p), why(p))
	}
	return w.Flush()
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
