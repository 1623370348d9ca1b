package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"paymentd/adapters/httpapi"
	"paymentd/app"
	"paymentd/app/config"
	"paymentd/core/payment"
	"paymentd/ports"
)

type listCommand struct {
	databaseFlags

	State   []string `placeholder:"STATE" help:"Only payments in this state. May be repeated."`
	Gateway string   `placeholder:"NAME" help:"Only payments at this gateway: its id in the gateways file, or its name if it has no id, or its address."`
	From    string   `placeholder:"TIME" help:"Only payments that were created at this time or later: a date, which means midnight UTC, or a time such as 2026-11-27T08:00:00Z."`
	Before  string   `placeholder:"TIME" help:"Only payments that were created before this time."`
	Q       string   `name:"q" placeholder:"TEXT" help:"Only payments whose order id begins with this, or whose transaction id or gateway key is this."`
	Limit   int      `default:"50" help:"How many payments to list at most, the newest first."`
	All     bool     `help:"List every payment, instead of --limit."`
	JSON    bool     `name:"json" help:"Print a JSON document for each payment, one a line."`

	query ports.ListQuery
}

// Help describes the output.
func (listCommand) Help() string {
	return "It prints a table, or with --json the payments as GET /payments does, one a line. Final states, --gateway and --q have no " +
		"index: the payments of the period are read one after the other, without --all for at most 30 seconds.\n\n" +
		"Exit code 0: listed, even if there is none. 1: the database cannot be read. 2: the command line or a setting is wrong."
}

const (
	// listPage is the number of payments that are read at once.
	listPage = 200
	// maxListing bounds how long a list without --all reads.
	maxListing = 30 * time.Second
)

// Validate checks the settings. kong calls it.
func (c *listCommand) Validate() (err error) {
	c.query = ports.ListQuery{Limit: listPage}
	for _, name := range c.State {
		state, err := payment.ParseState(name)
		if err != nil {
			return config.InvalidFlag("state", "%s", strings.TrimPrefix(err.Error(), "state "))
		}
		if !slices.Contains(c.query.States, state) {
			c.query.States = append(c.query.States, state)
		}
	}
	if c.From != "" {
		if c.query.CreatedFrom, err = parseTime("from", c.From); err != nil {
			return err
		}
	}
	if c.Before != "" {
		if c.query.CreatedBefore, err = parseTime("before", c.Before); err != nil {
			return err
		}
	}
	if c.Limit < 1 {
		return config.InvalidFlag("limit", "must be above zero")
	}
	return c.databaseFlags.Validate()
}

func (c *listCommand) Run(ctx context.Context, s stdio) error {
	return c.withPayments(ctx, s, func(r *app.Repository) error {
		w := newListWriter(s.stdout, c.JSON)
		unreadable, reached, err := c.list(ctx, r, w)
		err = errors.Join(err, w.end())
		if err != nil {
			return err
		}
		printReached(s, reached, "; go on with --before and this time, or use --all")
		if c.JSON { // each line of the standard output is a payment
			s.stdout = s.stderr
		}
		return printUnreadable(s, unreadable)
	})
}

// list writes what matches. reached is when the last payment that it has read was created, if there may be more.
func (c *listCommand) list(ctx context.Context, r ports.Payments, w *listWriter) (unreadable []*payment.StoredRowError, reached time.Time, err error) {
	within := maxListing
	if c.All {
		within = math.MaxInt64
	}
	return readList(ctx, r, c.query, within, func(p payment.Payment) (more bool, err error) {
		if !c.filter().Matches(p) {
			return true, nil
		}
		err = w.write(p)
		return c.All || w.written < c.Limit, err
	})
}

// readList passes the payments of a list to take, page by page, until it returns false, the list ends or the time is
// over. reached is when the last row that it has read was created if the time was over; otherwise zero.
func readList(
	ctx context.Context, r ports.Payments, q ports.ListQuery, within time.Duration, take func(payment.Payment) (more bool, err error),
) (unreadable []*payment.StoredRowError, reached time.Time, err error) {
	for began := time.Now(); ; {
		page, err := r.List(ctx, q)
		if err != nil {
			return unreadable, time.Time{}, err
		}
		unreadable = append(unreadable, page.Unreadable...)
		if len(unreadable) > maxUnreadable {
			unreadable = unreadable[:maxUnreadable]
		}
		for _, p := range page.Payments {
			if more, err := take(p); err != nil || !more {
				return unreadable, time.Time{}, err
			}
		}
		if page.NextOrderID == "" {
			return unreadable, time.Time{}, nil
		}
		if time.Since(began) >= within {
			return unreadable, page.NextCreatedAt, nil
		}
		q.AfterCreatedAt, q.AfterOrderID = page.NextCreatedAt, page.NextOrderID
	}
}

// printReached says how far a list has looked whose time was over. The time is rounded up, so that --before with it
// leaves out no payment.
func printReached(s stdio, reached time.Time, advice string) {
	if !reached.IsZero() {
		_, _ = fmt.Fprintf(s.stderr, "Stopped after %v: older payments than those of %s were not read%s.\n", maxListing,
			reached.UTC().Truncate(time.Second).Add(time.Second).Format(time.RFC3339), advice)
	}
}

// maxUnreadable bounds the rows that a list names because they cannot be read.
const maxUnreadable = 1000

// filter has what the query does not select by.
func (c *listCommand) filter() ports.ListFilter {
	return ports.ListFilter{Gateway: payment.GatewayID(c.Gateway), Q: c.Q}
}

// listWriter prints payments as they are read.
type listWriter struct {
	out     io.Writer
	table   *tabwriter.Writer // nil for JSON
	written int
}

// tableRows is after how many rows the columns of a long table are aligned anew, because the rows of an alignment are
// held in memory.
const tableRows = 1000

func newListWriter(out io.Writer, asJSON bool) *listWriter {
	w := &listWriter{out: out}
	if !asJSON {
		w.table = tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		_, _ = fmt.Fprintln(w.table, "ORDER\tSTATE\tAMOUNT\tGATEWAY\tCREATED\tTRANSACTION\tWHY") // the error is that of the flush
	}
	return w
}

func (w *listWriter) write(p payment.Payment) error {
	w.written++
	if w.table == nil {
		return writeJSONLine(w.out, httpapi.ViewPayment(p))
	}
	_, _ = fmt.Fprintf(w.table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", p.OrderID, p.State, amountListed(p), dash(string(p.Gateway)),
		p.CreatedAt.UTC().Format(time.RFC3339), dash(p.TransactionID), whyListed(p))
	if w.written%tableRows == 0 {
		return w.table.Flush()
	}
	return nil
}

// amountListed is the amount, and how much was captured if it is a part.
func amountListed(p payment.Payment) string {
	if captured, held := p.CapturedHold(); held && captured != p.Money {
		return fmt.Sprintf("%s (%s captured)", p.Money, captured.Decimal())
	}
	return p.Money.String()
}

// whyListed is the reason for a state that needs one.
func whyListed(p payment.Payment) string {
	switch {
	case !p.State.Final() && !p.State.Approved() && p.Code == "":
		return why(p)
	case p.Code != "":
		return p.Code
	}
	return dash(p.Reason)
}

func (w *listWriter) end() error {
	if w.table == nil {
		return nil
	}
	return w.table.Flush()
}
