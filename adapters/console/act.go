package console

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"paymentd/core"
	"paymentd/core/payment"
	"paymentd/ports"
)

// act is what a person can do with payments. A confirmation says what will happen before it is done.
type act struct {
	Name   string // in forms
	Title  string
	Button string
	// Will says what will happen.
	Will []string
	// one: the act is about one payment at a time.
	one bool
	do  func(*Console, context.Context, payment.Ref, order) error
}

// order is what a form asks for, beside the payments.
type order struct {
	by          string
	outcome     string // of a resolution: succeeded or failed
	transaction string
	reason      string
	refund      string // id of a refund
	amount      string // of a capture or a refund; empty for what is held or left
}

// acts are in the order in which pages offer them.
var acts = []act{
	{
		Name: "lookup", Title: "Look up now", Button: "Look up now",
		Will: []string{
			"The service asks the gateway at once what it has done with the current key. A lookup never moves money.",
			"If the gateway has the money, the payment succeeds. If it provably has not, the payment fails. Otherwise it waits on.",
		},
		do: func(c *Console, ctx context.Context, ref payment.Ref, o order) error {
			return c.service.Expedite(ctx, ref, false, o.by)
		},
	},
	{
		Name: "retry", Title: "Retry now", Button: "Retry now",
		Will: []string{
			"The queue sends the charge again at once, under the same gateway key. The gateway answers a repeat of a key with the first charge, so that it takes the money at most once.",
			"A payment whose key may not be sent again is refused, and nothing about it changes.",
		},
		do: func(c *Console, ctx context.Context, ref payment.Ref, o order) error {
			return c.service.Expedite(ctx, ref, true, o.by)
		},
	},
	{
		Name: "resolve", Title: "Resolve", Button: "Resolve",
		Will: []string{
			"Your word becomes the outcome. The service cannot check it now, so look into the gateway's own records first.",
			"After “succeeded” the order is never charged again. After “failed” a new request may charge it. If that is wrong, the customer pays twice or not at all.",
			"The key is looked up for seven more days. A charge that is found after “failed” makes the payment succeed, with an alert.",
		},
		do: (*Console).resolve,
	},
	{
		Name: "capture", Title: "Capture", Button: "Request the capture", one: true,
		Will: []string{
			"The queue asks the gateway to take the money that it holds, or a part of it. The rest is released. It takes a few seconds.",
			"A payment is captured once only. While a void is in progress, the capture is refused.",
		},
		do: (*Console).capture,
	},
	{
		Name: "void", Title: "Void", Button: "Request the void", one: true,
		Will: []string{
			"The queue asks the gateway to release the money that it holds. It takes a few seconds, and cannot be undone.",
			"A pending payment is cancelled instead: the queue asks the gateway until that is proven.",
			"While a capture is in progress, the void is refused.",
		},
		do: (*Console).void,
	},
	{
		Name: "refund", Title: "Refund", Button: "Request the refund", one: true,
		Will: []string{
			"The queue asks the gateway to give the money back, exactly once for this refund id. It takes a few seconds.",
			"The amount is reserved at once. It is free again only when the refund has provably moved no money.",
		},
		do: (*Console).refund,
	},
}

func actNamed(name string) (act, error) {
	for _, a := range acts {
		if a.Name == name {
			return a, nil
		}
	}
	return act{}, problem(http.StatusBadRequest, "there is no such act; go back and choose one of the buttons")
}

// target is a payment or other operation that an act is about.
type target struct {
	Ref     string // as forms name it
	Path    string
	Payment payment.Payment
	Problem string // why the act is not possible, or was refused; empty if there is nothing against it
	Done    bool
}

// confirmView is the page that asks before an act, and the one that says what it has done.
type confirmView struct {
	Act     act
	Targets []target
	Left    string // the amount that can be refunded
	Refund  string // a proposed id of the refund
	Problem string
	Form    order
	Done    int
}

// Outcome, Transaction, Reason and Amount keep what a refused form had.
func (v confirmView) Outcome() string     { return v.Form.outcome }
func (v confirmView) Transaction() string { return v.Form.transaction }
func (v confirmView) Reason() string      { return v.Form.reason }
func (v confirmView) Amount() string      { return v.Form.amount }

// targetsOf reads the payments that a form selects, as they are now.
func (c *Console) targetsOf(v *visit, a act) ([]target, error) {
	selected := v.Request().PostForm["ref"]
	switch {
	case len(selected) == 0:
		return nil, problem(http.StatusBadRequest, "no payment is selected; go back and select some")
	case len(selected) > maxSelected:
		return nil, problem(http.StatusBadRequest, "more than %d payments are selected; go back and select fewer", maxSelected)
	case a.one && len(selected) > 1:
		return nil, problem(http.StatusBadRequest, "this act is about one payment at a time")
	}
	var all []target
	for _, text := range selected {
		ref, err := parseRef(text)
		if err != nil {
			return nil, err
		}
		t := target{Ref: text, Path: orderPath(ref.OrderID)}
		if t.Payment, err = c.service.Find(v.Request().Context(), ref); err != nil {
			if !errors.Is(err, ports.ErrNotFound) {
				return nil, err
			}
			t.Payment, t.Problem = payment.Payment{OrderID: ref.OrderID, Operation: ref.Operation}, "There is no such payment."
		}
		all = append(all, t)
	}
	return all, nil
}

// confirm says what an act will do. It changes nothing.
func (c *Console) confirm(v *visit) error {
	a, err := actNamed(v.FormValue("act"))
	if err != nil {
		return err
	}
	targets, err := c.targetsOf(v, a)
	if err != nil {
		return err
	}
	return c.renderConfirm(v, http.StatusOK, confirmView{Act: a, Targets: targets, Form: order{outcome: "failed"}})
}

func (c *Console) renderConfirm(v *visit, status int, view confirmView) error {
	if view.Act.Name == "refund" {
		if left, some := view.Targets[0].Payment.Refundable(); some {
			view.Left = left.String()
		}
		if view.Refund == "" {
			view.Refund = "console-" + newToken()[:8]
		}
	}
	return c.render(v, status, "confirm", view.Act.Title+"?", "waiting", view)
}

// perform does an act that was confirmed.
func (c *Console) perform(v *visit) error {
	a, err := actNamed(v.FormValue("act"))
	if err != nil {
		return err
	}
	targets, err := c.targetsOf(v, a)
	if err != nil {
		return err
	}
	o := order{
		by: v.session.by(), outcome: v.FormValue("outcome"), transaction: strings.TrimSpace(v.FormValue("transaction")),
		reason: strings.TrimSpace(v.FormValue("reason")), refund: strings.TrimSpace(v.FormValue("refund")), amount: strings.TrimSpace(v.FormValue("amount")),
	}
	view := confirmView{Act: a, Targets: targets, Form: o, Refund: o.refund}
	for i := range targets {
		t := &targets[i]
		if t.Problem != "" {
			continue
		}
		ref := t.Payment.Ref()
		err := a.do(c, v.Request().Context(), ref, o)
		if field, ok := errors.AsType[*payment.FieldError](err); ok && view.Done == 0 {
			view.Problem = sentence(field.Message) // of the form, so that it is the same for all
			return c.renderConfirm(v, http.StatusUnprocessableEntity, view)
		}
		if err != nil {
			t.Problem = c.refusal(v, err)
			continue
		}
		t.Done = true
		view.Done++
		c.log.InfoContext(v.Request().Context(), "an operator acted in the console", "act", a.Name, "by", o.by, "order_id", ref.OrderID.String(), "operation", ref.Operation.String())
	}
	if len(targets) == 1 && targets[0].Done {
		return v.Redirect(http.StatusSeeOther, v.doneAt(targets[0].Path, a.Name))
	}
	status := http.StatusOK
	if view.Done == 0 {
		status = http.StatusConflict
	}
	return c.render(v, status, "acted", a.Title, "waiting", view)
}

// refusal says why an act was refused for one payment.
func (c *Console) refusal(v *visit, err error) string {
	var unresolved *payment.NotUnresolvedError
	var late *payment.NotExpeditedError
	var refused *payment.OperationRefusedError
	switch {
	case errors.As(err, &late), errors.As(err, &refused):
		return sentence(err.Error())
	case errors.As(err, &unresolved):
		return "It is " + string(unresolved.State) + " now. Only one that is pending or unresolved, or failed while its key is in doubt, can be resolved."
	case errors.Is(err, payment.ErrChargeOpen), errors.Is(err, core.ErrForeignGateway):
		return sentence(err.Error())
	case errors.Is(err, core.ErrMismatch):
		return "The refund id is known with another amount. Use a new one."
	}
	p, logged := problemOf(err)
	if logged {
		c.log.ErrorContext(v.Request().Context(), "the console could not serve a page", "route", v.Path(), "error", err)
	}
	return sentence(p.sentence)
}

// resolve states an outcome.
func (c *Console) resolve(ctx context.Context, ref payment.Ref, o order) error {
	outcome := payment.Outcome{State: payment.State(o.outcome), Reason: o.reason}
	switch outcome.State { //nolint:exhaustive // the core refuses the others
	case payment.StateSucceeded:
		outcome.TransactionID = o.transaction
	case payment.StateFailed:
		outcome.Code = payment.CodeResolved
	}
	return c.service.Resolve(ctx, ref, outcome, o.by)
}

// refund requests a refund of a charge.
func (c *Console) refund(ctx context.Context, ref payment.Ref, o order) error {
	id, err := payment.ParseRefundID(o.refund)
	if err != nil {
		return err
	}
	amount, err := c.amountOf(ctx, ref, o)
	if err != nil {
		return err
	}
	_, err = c.service.RequestOperation(ctx, payment.Ref{OrderID: ref.OrderID, Operation: id}, amount, o.reason, o.by)
	return err
}

// amountOf returns the amount that a form has, in the currency of the charge; zero if it has none.
func (c *Console) amountOf(ctx context.Context, ref payment.Ref, o order) (payment.Money, error) {
	if o.amount == "" {
		return payment.Money{}, nil
	}
	charge, err := c.service.Find(ctx, payment.Ref{OrderID: ref.OrderID})
	if err != nil {
		return payment.Money{}, fmt.Errorf("find payment: %w", err)
	}
	return payment.ParseMoney(o.amount, charge.Money.Currency())
}

// capture requests the capture of a charge that is held.
func (c *Console) capture(ctx context.Context, ref payment.Ref, o order) error {
	amount, err := c.amountOf(ctx, ref, o)
	if err != nil {
		return err
	}
	capture := payment.Ref{OrderID: ref.OrderID, Operation: payment.OperationID{Kind: payment.KindCapture}}
	_, err = c.service.RequestOperation(ctx, capture, amount, o.reason, o.by)
	return err
}

// void requests the void of a charge that is held.
func (c *Console) void(ctx context.Context, ref payment.Ref, o order) error {
	void := payment.Ref{OrderID: ref.OrderID, Operation: payment.OperationID{Kind: payment.KindVoid}}
	_, err := c.service.RequestOperation(ctx, void, payment.Money{}, o.reason, o.by)
	return err
}
