package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"paymentd/adapters/httpapi"
	"paymentd/app"
	"paymentd/app/config"
	"paymentd/core/payment"
	"paymentd/ports"
)

type showCommand struct {
	Order string `arg:"" help:"Order whose payment to show."`
	jsonFlag

	config.Config

	order payment.OrderID
}

// Help describes the output.
func (showCommand) Help() string {
	return "It prints the payment, its timeline, its calls to the gateway on one time axis, its refunds, and why its money cannot be moved " +
		"twice now. In the waterfall, = is a call to the gateway, > one without a result, . a pause and ^ an event. It takes the settings of " +
		"serve, because the answer depends on the gateways and the times; it calls no gateway, and changes nothing.\n\n" +
		"Exit code 0: shown. 1: there is no such payment, or the database cannot be read. 2: the command line or a setting is wrong."
}

// Validate checks the settings. kong calls it.
func (c *showCommand) Validate() (err error) {
	if c.order, err = payment.ParseOrderID(c.Order); err != nil {
		return err
	}
	return c.Config.Validate()
}

func (c *showCommand) Run(ctx context.Context, s stdio) error {
	rules, err := app.KeyRules(c.Config, s.logger("error"))
	if err != nil {
		return err
	}
	database := databaseFlags{config.Database{Database: c.Database}}
	return database.withPayments(ctx, s, func(r *app.Repository) error {
		h, err := r.History(ctx, c.order)
		if errors.Is(err, ports.ErrNotFound) {
			return fmt.Errorf("there is no payment of the order %s; order ids are case-sensitive", c.order)
		}
		if err != nil {
			return err
		}
		now := payment.Instant{DB: h.Payment.SeenAt, Worker: time.Now()}
		if c.JSON {
			return writeJSON(s.stdout, shownJSON(h, rules, now))
		}
		return writeShown(s.stdout, h, rules, now)
	})
}

// writeShown prints everything about a payment as text.
func writeShown(w io.Writer, h ports.History, rules payment.KeyRules, now payment.Instant) error {
	width := widthOf(w)
	view := httpapi.ViewHistory(h)
	steps := []func() error{
		func() error { return writeHeading(w, h.Payment) },
		func() error { return section(w, "TIMELINE", func() error { return writeTimeline(w, view.Timeline) }) },
		func() error { return section(w, "WATERFALL", func() error { return writeWaterfall(w, h, width) }) },
	}
	if len(h.Operations) > 0 {
		steps = append(steps, func() error {
			return section(w, "OPERATIONS", func() error { return writeOperations(w, h.Operations) })
		})
	}
	steps = append(steps, func() error {
		return section(w, "WHY IT CANNOT BE CHARGED TWICE NOW", func() error { return writeExplanation(w, h.Explain(rules, now), width) })
	})
	for _, o := range h.Operations {
		if !o.Payment.State.Final() {
			title := "WHY THE " + strings.ToUpper(o.Payment.Operation.String()) + " CANNOT BE MADE TWICE NOW"
			steps = append(steps, func() error {
				return section(w, title, func() error { return writeExplanation(w, o.Explain(rules, now), width) })
			})
		}
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func section(w io.Writer, title string, write func() error) error {
	if _, err := fmt.Fprintf(w, "\n%s\n", title); err != nil {
		return err
	}
	return write()
}

// writeHeading prints what is known of the payment itself.
func writeHeading(w io.Writer, p payment.Payment) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintf(t, "order\t%s\nstate\t%s\namount\t%s\n", p.OrderID, p.State, amountListed(p))
	for _, field := range []struct{ name, value string }{
		{"gateway", string(p.Gateway)},
		{"gateway key", string(p.GatewayKey)},
		{"transaction", p.TransactionID},
		{"code", p.Code},
		{"reason", p.Reason},
		{"created", stamp(p.CreatedAt)},
		{"changed", stamp(p.UpdatedAt)},
	} {
		if field.value != "" {
			_, _ = fmt.Fprintf(t, "%s\t%s\n", field.name, field.value)
		}
	}
	if !p.State.Final() {
		_, _ = fmt.Fprintf(t, "waits\t%s, next %s\n", why(p), next(p))
	}
	return t.Flush()
}

// writeTimeline prints what happened, a line each.
func writeTimeline(w io.Writer, timeline []httpapi.Moment) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, m := range timeline {
		what := string(m.Kind)
		if m.Attempt > 0 {
			what = fmt.Sprintf("%s %d", what, m.Attempt)
		}
		if m.Operation != "" {
			what = strings.TrimSpace(string(m.Operation)+" "+m.RefundID) + ": " + what
		}
		var detail []string
		for _, text := range []string{string(m.State), string(m.Class), m.Detail} {
			if text != "" {
				detail = append(detail, text)
			}
		}
		_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", m.At, what, dash(m.Replica), dash(strings.Join(detail, ": ")))
	}
	return t.Flush()
}

// writeOperations prints the refunds and the other operations.
func writeOperations(w io.Writer, operations []ports.History) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "OPERATION\tSTATE\tAMOUNT\tCREATED\tTRANSACTION\tWHY")
	for _, o := range operations {
		p := o.Payment
		_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", p.Operation, p.State, p.Money, p.CreatedAt.UTC().Format(time.RFC3339),
			dash(p.TransactionID), whyListed(p))
	}
	return t.Flush()
}

// explanationJSON is an explanation in JSON.
type explanationJSON struct {
	Operation          string       `json:"operation"`
	Reasons            []reasonJSON `json:"reasons"`
	KeyAgeSeconds      float64      `json:"key_age_seconds"`
	KeyLifetimeSeconds float64      `json:"key_lifetime_seconds"`
	InDoubtSince       string       `json:"in_doubt_since,omitempty"`
	NeedsPerson        bool         `json:"needs_person"`
}

type reasonJSON struct {
	Topic string `json:"topic"`
	Text  string `json:"text"`
	At    string `json:"at,omitempty"`
}

func shownJSON(h ports.History, rules payment.KeyRules, now payment.Instant) any {
	explanations := []explanationJSON{}
	for _, o := range append([]ports.History{h}, h.Operations...) {
		x := o.Explain(rules, now)
		one := explanationJSON{
			Operation: o.Payment.Operation.String(), Reasons: []reasonJSON{}, KeyAgeSeconds: x.KeyAge.Seconds(),
			KeyLifetimeSeconds: x.KeyLifetime.Seconds(), InDoubtSince: stamp(x.DoubtSince), NeedsPerson: x.NeedsPerson,
		}
		for _, r := range x.Reasons {
			one.Reasons = append(one.Reasons, reasonJSON{string(r.Topic), r.Text, stamp(r.At)})
		}
		explanations = append(explanations, one)
	}
	return struct {
		Payment      httpapi.PaymentHistory `json:"payment"`
		Explanations []explanationJSON      `json:"explanations"`
	}{httpapi.ViewHistory(h), explanations}
}
