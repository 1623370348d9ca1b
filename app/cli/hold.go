package cli

import (
	"context"

	"paymentd/app/config"
	"paymentd/core/payment"
)

// holdArguments are what the commands capture and void share.
type holdArguments struct {
	Order  string `arg:"" help:"Order whose payment is authorized."`
	Reason string `required:"" help:"Why; kept with the operation and in its history."`
	By     string `env:"USER" default:"operator" help:"Your name; kept in the history."`
	JSON   bool   `name:"json" help:"Print the operation as JSON."`

	config.Config

	order payment.OrderID
}

// Validate checks the settings. kong calls it.
func (c *holdArguments) Validate() (err error) {
	if c.order, err = payment.ParseOrderID(c.Order); err != nil {
		return err
	}
	return c.Config.Validate()
}

// requested returns the operation of that kind.
func (c *holdArguments) requested(kind payment.Kind) requested {
	return requested{
		order: c.order, operation: payment.OperationID{Kind: kind}, reason: c.Reason, by: c.By, json: c.JSON,
	}
}

// howHolds is the help that the commands capture and void share.
const howHolds = " It stores that in the database, and calls no gateway: a running service with the same settings does it within " +
	"about a second, with its retries and lookups, as if a client had requested it with Prefer: respond-async. A repeat is the " +
	"same operation. It takes the settings of serve.\n\n" +
	"Exit code 0: it is stored, or has succeeded before. 1: refused, or it could not be done. 2: the command line or a setting " +
	"is wrong."

type captureCommand struct {
	// Amount is nil if it is not given. An empty value, such as that of an unset variable of a script, is refused,
	// because it would capture everything.
	Amount *string `placeholder:"60.00" help:"Amount, in the currency of the payment; the rest is released. All that is held, by default."`

	holdArguments
}

// Help describes what the command does.
func (captureCommand) Help() string {
	return "Takes the money that an authorized payment holds. A payment is captured at most once, so that the rest of a capture of " +
		"less cannot be taken later." + howHolds
}

// Validate checks the settings. kong calls it.
func (c *captureCommand) Validate() error {
	if c.Amount != nil && *c.Amount == "" {
		return config.InvalidFlag("amount", "must not be empty; leave it out to capture all that is held")
	}
	return c.holdArguments.Validate()
}

func (c *captureCommand) Run(ctx context.Context, s stdio) error {
	o := c.requested(payment.KindCapture)
	o.amount = c.Amount
	return o.run(ctx, s, c.Config)
}

type voidCommand struct{ holdArguments }

// Help describes what the command does.
func (voidCommand) Help() string {
	return "Releases the money that an authorized payment holds, so that the order takes none; the order cannot be charged again. " +
		"A pending payment is cancelled with POST /payments/ORDER/void instead." + howHolds
}

func (c *voidCommand) Run(ctx context.Context, s stdio) error {
	return c.requested(payment.KindVoid).run(ctx, s, c.Config)
}
