package cli

import (
	"context"
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

// requested is an operation that an operator asks for with the command capture, void or refund.
type requested struct {
	order     payment.OrderID
	operation payment.OperationID
	second    core.SecondCharge // that a refund gives back; zero for the charge of the payment itself
	amount    *string           // nil for all that is left
	reason    string
	by        string
	json      bool
}

// run stores the operation, and prints it. settings are those of serve.
func (o requested) run(ctx context.Context, s stdio, settings config.Config) error {
	rules, err := app.KeyRules(settings, s.logger("error"))
	if err != nil {
		return err
	}
	database := databaseFlags{config.Database{Database: settings.Database}}
	return database.withPayments(ctx, s, func(r *app.Repository) error {
		request, err := o.request(ctx, r, rules)
		if err != nil {
			return err
		}
		p, err := o.store(ctx, s, r, settings, request)
		if err != nil {
			return o.describe(err)
		}
		return o.print(s, p)
	})
}

// store stores the operation.
func (o requested) store(
	ctx context.Context, s stdio, r *app.Repository, settings config.Config, request payment.ClaimRequest,
) (p payment.Payment, err error) {
	var provers []core.Prover
	switch {
	case o.second.TransactionID == "":
		return core.RequestOperation(ctx, r, request)
	case o.second.Key != "": // it may be known to a gateway only
		listings, err := app.OpenListings(settings, s.logger("error"))
		if err != nil {
			return payment.Payment{}, err
		}
		defer func() {
			for _, g := range listings {
				err = errors.Join(err, g.Close())
			}
		}()
		for _, g := range listings {
			provers = append(provers, g)
		}
	}
	return core.RequestSecondRefund(ctx, r, provers, request, o.second)
}

// request returns the request for the operation, with the amount in the currency of the payment.
func (o requested) request(ctx context.Context, r *app.Repository, rules payment.KeyRules) (payment.ClaimRequest, error) {
	request := payment.ClaimRequest{
		OrderID: o.order, Operation: o.operation, Note: o.reason, By: o.by,
		NewKey: payment.GatewayKey(uuid.Must(uuid.NewV7()).String()), Rules: rules, Worker: time.Now(),
	}
	if o.amount == nil {
		return request, nil
	}
	charge, err := r.Find(ctx, o.order)
	if err != nil {
		return request, o.describe(err)
	}
	request.Money, err = payment.ParseMoney(*o.amount, charge.Money.Currency())
	return request, err
}

// describe adds what to do to an error of the operation.
func (o requested) describe(err error) error {
	kind := string(o.operation.Kind)
	named := o.operation.Kind == payment.KindRefund && o.second.TransactionID == ""
	switch {
	case errors.Is(err, ports.ErrNotFound):
		return fmt.Errorf("there is no payment of the order %s: nothing was stored", o.order)
	case errors.Is(err, payment.ErrChargeOpen):
		return fmt.Errorf("%w, and nothing was stored; `paymentd stuck` says what it waits for: %s it when that is over", err, kind)
	case errors.Is(err, core.ErrMismatch) && o.second.TransactionID != "":
		return fmt.Errorf("the refund of transaction %s is known with another amount; repeat that amount, because a second charge has one refund", o.second.TransactionID)
	case errors.Is(err, core.ErrMismatch) && named:
		return fmt.Errorf("the refund %s of %s is known with another amount; repeat that amount, or use a new --refund-id", o.operation.Name, o.order)
	case errors.Is(err, core.ErrMismatch):
		return fmt.Errorf("the %s of %s is known with another amount; repeat that amount, because a payment has one %s", kind, o.order, kind)
	case errors.Is(err, core.ErrForeignGateway):
		return errors.New("the gateway of the payment is not one of the settings, and only it can " + moves[o.operation.Kind] +
			" the money; run the command with the settings of the service")
	case errors.Is(err, ports.ErrInDoubt), errors.Is(err, context.Canceled):
		// Not wrapped, because the advice for other commands is to run them again as they were.
		repeat := "repeat the command, which cannot " + kind + " twice"
		if named {
			repeat = "repeat the command with --refund-id " + quote(o.operation.Name) + ", which cannot refund twice"
		}
		return fmt.Errorf("%s; the %s may be stored: %s", err.Error(), kind, repeat)
	}
	return err
}

// moves is what a gateway does with the money of an operation.
var moves = map[payment.Kind]string{
	payment.KindCapture: "take", payment.KindVoid: "release", payment.KindRefund: "give back",
}

// operationLine is an operation in JSON.
type operationLine struct {
	Operation     string `json:"operation"`
	OrderID       string `json:"order_id"`
	RefundID      string `json:"refund_id,omitempty"`
	SecondCharge  string `json:"second_charge,omitempty"`
	Amount        string `json:"amount"`
	Currency      string `json:"currency"`
	State         string `json:"state"`
	TransactionID string `json:"transaction_id,omitempty"`
	Code          string `json:"code,omitempty"`
	Reason        string `json:"reason,omitempty"`
	Path          string `json:"path"`
}

// print prints the operation. The error says that it is final and has not moved money.
func (o requested) print(s stdio, p payment.Payment) error {
	line := operationLine{
		Operation: string(p.Operation.Kind), OrderID: p.OrderID.String(), RefundID: p.Operation.Name,
		Amount: p.Money.Decimal(), Currency: p.Money.Currency().Code(),
		State: string(p.State), TransactionID: p.TransactionID, Code: p.Code, Reason: p.Reason,
		Path: "/payments/" + url.PathEscape(p.OrderID.String()),
	}
	if p.Operation.Kind == payment.KindRefund {
		line.Path += "/refunds/" + url.PathEscape(p.Operation.Name)
	}
	if p.Operation.RefundsSecondCharge() {
		line.SecondCharge = p.Of.TransactionID
	}
	var err error
	if o.json {
		err = writeJSONLine(s.stdout, line)
	} else {
		_, err = fmt.Fprintf(s.stdout, "%s of %s: %s, %s\nto follow it: GET %s\n", p.Operation, line.OrderID, p.Money, describeOperation(p), line.Path)
	}
	if err != nil || p.Operation.Kind != payment.KindRefund || p.State != payment.StateDeclined {
		return err
	}
	if line.SecondCharge != "" {
		return fmt.Errorf("the money of the refund %s came back after it had succeeded; refund transaction %s in the gateway's console", line.RefundID, line.SecondCharge)
	}
	return fmt.Errorf("the money of the refund %s came back after it had succeeded; to refund it again, use a new --refund-id", line.RefundID)
}

// describeOperation says what happens next, or what has happened.
func describeOperation(p payment.Payment) string {
	switch p.State {
	case payment.StateScheduled:
		return "scheduled: the running service makes it"
	case payment.StateProcessing:
		return "processing: the running service makes it now"
	case payment.StatePending:
		if p.CancelRequested() {
			return "the payment is pending: the running service has the gateway cancel it"
		}
		return "pending: the gateway has it and decides later"
	case payment.StateUnresolved:
		return "unresolved: the running service looks it up"
	case payment.StateSucceeded:
		return "succeeded before, with the gateway's id " + p.TransactionID
	case payment.StateDeclined, payment.StateFailed:
	case payment.StateAuthorized, payment.StateVoided: // of charges only
	}
	return string(p.State) + " with the code " + p.Code
}
