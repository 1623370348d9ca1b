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
	jsonFlag

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
		waiting, err := c.list(ctx, s, r)
		if err != nil {
			return err
		}
		operations, err := r.ListWaitingOperations(ctx, c.Limit)
		if err != nil {
			return err
		}
		if c.JSON {
			return writeJSON(s.stdout, stuckDocument{
				Payments: stuckJSON(waiting.Payments), Operations: stuckJSON(operations.Operations),
				Unreadable: unreadableJSON(append(waiting.Unreadable, operations.Unreadable...)),
			})
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

// list returns the payments. If so many wait that they are searched for among all payments, it may take a while.
func (c *stuckCommand) list(ctx context.Context, s stdio, r ports.Payments) (page ports.ListPage, err error) {
	q := ports.ListQuery{Limit: c.Limit, States: []payment.State{
		payment.StateProcessing, payment.StateScheduled, payment.StatePending, payment.StateUnresolved,
	}}
	unreadable, reached, err := readList(ctx, r, q, maxListing, func(p payment.Payment) (bool, error) {
		page.Payments = append(page.Payments, p)
		return len(page.Payments) < c.Limit, nil
	})
	page.Unreadable = unreadable
	printReached(s, reached, "; use a lower --limit, or `paymentd list` with a period")
	return page, err
}

// Help describes the exit codes.
func (stuckCommand) Help() string {
	return "Exit code 0: listed, even if nothing waits. 1: the database cannot be read. 2: a setting is wrong."
}

// stuckDocument is the list in JSON.
type stuckDocument struct {
	Payments   []waitingJSON `json:"payments"`
	Operations []waitingJSON `json:"operations"`
	Unreadable []string      `json:"unreadable"`
}

// waitingJSON is a payment or another operation that waits.
type waitingJSON struct {
	OrderID   string `json:"order_id"`
	Operation string `json:"operation"`
	State     string `json:"state"`
	Amount    string `json:"amount"`
	Currency  string `json:"currency"`
	Gateway   string `json:"gateway,omitempty"`
	CreatedAt string `json:"created_at"`
	Attempts  int    `json:"attempts"`
	NextAt    string `json:"next_at,omitempty"`
	Why       string `json:"why"`
}

func stuckJSON(waiting []payment.Payment) []waitingJSON {
	all := []waitingJSON{}
	for _, p := range waiting {
		all = append(all, waitingJSON{
			OrderID: p.OrderID.String(), Operation: p.Operation.String(), State: string(p.State), Amount: p.Money.Decimal(),
			Currency: p.Money.Currency().Code(), Gateway: string(p.Gateway), CreatedAt: stamp(p.CreatedAt), Attempts: p.Attempts(),
			NextAt: stamp(p.DueAt), Why: why(p),
		})
	}
	return all
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
