package cli

import (
	"context"

	"github.com/google/uuid"

	"paymentd/app/config"
	"paymentd/core/payment"
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
	return requested{
		order: c.order, operation: c.refund, amount: c.Amount, reason: c.Reason, by: c.By, json: c.JSON,
	}.run(ctx, s, c.Config)
}
