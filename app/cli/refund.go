package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/google/uuid"

	"paymentd/app"
	"paymentd/app/config"
	"paymentd/core"
	"paymentd/core/payment"
	"paymentd/ports"
)

type refundCommand struct {
	Order string `arg:"" help:"Order whose payment has succeeded."`
	// Amount and RefundID are nil if they are not given. An empty value, such as that of an unset variable of a script, is
	// refused, because it would refund all that is left, or once more.
	Amount   *string `placeholder:"25.00" help:"Amount, in the currency of the payment. What is left, by default."`
	RefundID *string `name:"refund-id" placeholder:"ID" help:"Id of the refund within its order: 1 to 128 printable ASCII characters without spaces. The same id is never refunded twice. Made from the order and a random part, by default."`
	Reason   string  `required:"" help:"Why the money is given back; kept with the refund and in its history."`
	By       string  `env:"USER" default:"operator" help:"Your name; kept in the refund's history."`
	JSON     bool    `name:"json" help:"Print the refund as JSON."`

	config.Config

	order  payment.OrderID
	refund payment.OperationID
}

// Help describes what the command does.
func (refundCommand) Help() string {
	return "It stores the refund in the database, and calls no gateway: a running service with the same settings makes the refund " +
		"within about a second, with its retries and lookups, as one that a client requested with Prefer: respond-async. It prints " +
		"the refund and where to follow it. To repeat it, give the printed --refund-id (GET /payments/ORDER/refunds lists it): the " +
		"same id moves money at most once, and without it a repeat is another refund.\n\n" +
		"All refunds of a payment together never exceed it. It takes the settings of serve.\n\n" +
		"Exit code 0: the refund is stored, or has succeeded before. 1: refused, or it could not be done. 2: the command line or a " +
		"setting is wrong."
}

// Validate checks the settings. kong calls it.
func (c *refundCommand) Validate() (err error) {
	if c.order, err = payment.ParseOrderID(c.Order); err != nil {
		return err
	}
	id := newRefundID(c.order)
	if c.RefundID != nil {
		id = *c.RefundID
	}
	if c.refund, err = payment.ParseRefundID(id); err != nil {
		return err
	}
	if c.Amount != nil && *c.Amount == "" {
		return config.InvalidFlag("amount", "must not be empty; leave it out to refund what is left")
	}
	return c.Config.Validate()
}

// randomBytes is the number of random characters of a generated refund id, which distinguish the refunds of one
// order.
const randomBytes = 12

// newRefundID returns a refund id that no other refund of the order has.
func newRefundID(order payment.OrderID) string {
	random := uuid.NewString() // version 4: its last 12 digits are random (RFC 9562, 5.4)
	prefix := string(order)
	return prefix[:min(len(prefix), payment.MaxOrderIDBytes-randomBytes-1)] + "-" + random[len(random)-randomBytes:]
}

func (c *refundCommand) Run(ctx context.Context, s stdio) error {
	rules, err := app.KeyRules(c.Config, s.logger("error"))
	if err != nil {
		return err
	}
	database := databaseFlags{config.Database{Database: c.Database}}
	return database.withPayments(ctx, s, func(r *app.Repository) error {
		request, err := c.request(ctx, r, rules)
		if err != nil {
			return err
		}
		p, err := core.RequestRefund(ctx, r, request)
		if err != nil {
			return c.describe(err)
		}
		return c.print(s, p)
	})
}

// request returns the request for the refund, with the amount in the currency of the payment.
func (c *refundCommand) request(ctx context.Context, r *app.Repository, rules payment.KeyRules) (payment.ClaimRequest, error) {
	request := payment.ClaimRequest{
		OrderID: c.order, Operation: c.refund, Note: c.Reason, By: c.By,
		NewKey: payment.GatewayKey(uuid.Must(uuid.NewV7()).String()), Rules: rules, Worker: time.Now(),
	}
	if c.Amount == nil {
		return request, nil
	}
	charge, err := r.Find(ctx, c.order)
	if err != nil {
		return request, c.describe(err)
	}
	request.Money, err = payment.ParseMoney(*c.Amount, charge.Money.Currency())
	return request, err
}

// describe adds what to do to an error of the refund.
func (c *refundCommand) describe(err error) error {
	switch {
	case errors.Is(err, ports.ErrNotFound):
		return fmt.Errorf("there is no payment of the order %s: nothing was stored", c.order)
	case errors.Is(err, payment.ErrChargeOpen):
		return fmt.Errorf("%w, and nothing was stored; `paymentd stuck` says what it waits for: refund it when it has succeeded", err)
	case errors.Is(err, core.ErrMismatch):
		return fmt.Errorf("the refund %s of %s is known with another amount; repeat that amount, or use a new --refund-id", c.refund.Name, c.order)
	case errors.Is(err, core.ErrForeignGateway):
		return errors.New("the gateway of the payment is not one of the settings, and only it can give the money back; run the command " +
			"with the settings of the service")
	case errors.Is(err, ports.ErrInDoubt), errors.Is(err, context.Canceled):
		// Not wrapped, because the advice for other commands is to run them again as they were.
		return fmt.Errorf("%s; the refund may be stored: repeat the command with --refund-id %s, which cannot refund twice",
			err.Error(), quote(c.refund.Name))
	}
	return err
}

// refundLine is the refund in JSON.
type refundLine struct {
	OrderID       string `json:"order_id"`
	RefundID      string `json:"refund_id"`
	Amount        string `json:"amount"`
	Currency      string `json:"currency"`
	State         string `json:"state"`
	TransactionID string `json:"transaction_id,omitempty"`
	Code          string `json:"code,omitempty"`
	Reason        string `json:"reason,omitempty"`
	Path          string `json:"path"`
}

// print prints the refund. The error says that it is final and has not moved money.
func (c *refundCommand) print(s stdio, p payment.Payment) error {
	line := refundLine{
		OrderID: p.OrderID.String(), RefundID: p.Operation.Name, Amount: p.Money.Decimal(), Currency: p.Money.Currency().Code(),
		State: string(p.State), TransactionID: p.TransactionID, Code: p.Code, Reason: p.Reason,
		Path: "/payments/" + url.PathEscape(p.OrderID.String()) + "/refunds/" + url.PathEscape(p.Operation.Name),
	}
	var err error
	if c.JSON {
		e := json.NewEncoder(s.stdout)
		e.SetEscapeHTML(false)
		err = e.Encode(line)
	} else {
		_, err = fmt.Fprintf(s.stdout, "refund %s of %s: %s, %s\nto follow it: GET %s\n", line.RefundID, line.OrderID, p.Money, describeRefund(p), line.Path)
	}
	if err == nil && p.State == payment.StateDeclined {
		return fmt.Errorf("the money of the refund %s came back after it had succeeded; to refund it again, use a new --refund-id", line.RefundID)
	}
	return err
}

// describeRefund says what happens next, or what has happened.
func describeRefund(p payment.Payment) string {
	switch p.State {
	case payment.StateScheduled:
		return "scheduled: the running service makes it"
	case payment.StateProcessing:
		return "processing: the running service makes it now"
	case payment.StatePending:
		return "pending: the gateway has it and decides later"
	case payment.StateUnresolved:
		return "unresolved: the running service looks it up"
	case payment.StateSucceeded:
		return "succeeded before, with the gateway's id " + p.TransactionID
	case payment.StateDeclined, payment.StateFailed:
	}
	return string(p.State) + " with the code " + p.Code
}
