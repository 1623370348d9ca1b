package cli

import (
	"context"
	"time"

	"github.com/google/uuid"

	"paymentd/app/config"
	"paymentd/core"
	"paymentd/core/payment"
)

type refundCommand struct {
	Order string `arg:"" help:"Order whose payment has succeeded."`
	// Amount and RefundID are nil if they are not given. An empty value, such as that of an unset variable of a script, is
	// refused, because it would refund all that is left, or once more.
	Amount   *string `placeholder:"25.00" help:"Amount, in the currency of the payment. What is left, by default."`
	RefundID *string `name:"refund-id" placeholder:"ID" help:"Id of the refund within its order: 1 to 128 printable ASCII characters without spaces. The same id is never refunded twice. Made from the order and a random part, by default."`
	// Transaction, Key and ChargedAt name a second charge.
	Transaction *string `placeholder:"TXN" help:"Refund a second charge of the order, which has this transaction: one that the payment did not succeed with (log line double charge, paymentd audit). It has one refund, whose id is made from its gateway key."`
	Key         *string `placeholder:"KEY" help:"Gateway key of the second charge. Needed if only the gateway's list has the charge; the gateway is asked for it."`
	ChargedAt   *string `name:"charged-at" placeholder:"TIME" help:"When the gateway made the second charge, in RFC 3339. Needed if the order has never sent --key; the gateway's list is asked whose charge it is."`
	Reason      string  `required:"" help:"Why the money is given back; kept with the refund and in its history."`
	By          string  `env:"USER" default:"operator" help:"Your name; kept in the refund's history."`
	JSON        bool    `name:"json" help:"Print the refund as JSON."`

	config.Config

	order  payment.OrderID
	refund payment.OperationID
	second core.SecondCharge // zero unless --transaction is given
}

// Help describes what the command does.
func (refundCommand) Help() string {
	return "It stores the refund in the database, and calls no gateway: a running service with the same settings makes the refund " +
		"within about a second, with its retries and lookups, as one that a client requested with Prefer: respond-async. It prints " +
		"the refund and where to follow it. To repeat it, give the printed --refund-id (GET /payments/ORDER/refunds lists it): the " +
		"same id moves money at most once, and without it a repeat is another refund.\n\n" +
		"All refunds of a payment together never exceed it.\n\n" +
		"With --transaction, it is the refund of a second charge of the order: at most all of that, once, and without an effect on " +
		"what is left of the payment itself. If the database does not have the second charge, the gateway is asked whether it has " +
		"charged that transaction with --key for the order, and the charge is recorded first. It takes the settings of serve.\n\n" +
		"Exit code 0: the refund is stored, or has succeeded before. 1: refused, or it could not be done. 2: the command line or a " +
		"setting is wrong."
}

// Validate checks the settings. kong calls it.
func (c *refundCommand) Validate() (err error) {
	if c.order, err = payment.ParseOrderID(c.Order); err != nil {
		return err
	}
	if err := c.validateSecond(); err != nil {
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

// validateSecond checks the flags that name a second charge.
func (c *refundCommand) validateSecond() error {
	switch {
	case c.Transaction == nil && c.Key != nil:
		return config.InvalidFlag("key", "needs --transaction, because it is the gateway key of a second charge")
	case c.ChargedAt != nil && c.Key == nil:
		return config.InvalidFlag("charged-at", "needs --transaction and --key, because it is the time of a second charge")
	case c.Transaction == nil:
		return nil
	case c.RefundID != nil:
		return config.InvalidFlag("refund-id", "must be left out with --transaction: a second charge has one refund, whose id is made from its gateway key")
	}
	c.second.TransactionID = *c.Transaction
	if err := payment.CheckTransactionID(c.second.TransactionID); err != nil {
		return config.InvalidFlag("transaction", "%s", err)
	}
	if c.Key == nil {
		return nil
	}
	if c.second.Key = payment.GatewayKey(*c.Key); !c.second.Key.Valid() {
		return config.InvalidFlag("key", "must have 1 to 64 printable ASCII characters without spaces")
	}
	if c.ChargedAt == nil {
		return nil
	}
	var err error
	if c.second.ChargedAt, err = time.Parse(time.RFC3339Nano, *c.ChargedAt); err != nil {
		return config.InvalidFlag("charged-at", "must be a time, such as 2026-11-27T08:00:00Z")
	}
	return nil
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
		order: c.order, operation: c.refund, second: c.second, amount: c.Amount, reason: c.Reason, by: c.By, json: c.JSON,
	}.run(ctx, s, c.Config)
}
