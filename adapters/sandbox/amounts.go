package sandbox

import (
	"slices"
	"strings"
	"time"

	"paymentd/core/payment"
)

const (
	slowBy = 3 * time.Second
	lateBy = 10 * time.Second

	pendingFor    = 5 * time.Second
	returnedAfter = 5 * time.Second
)

// Amount is a magic amount: charging, capturing or refunding it makes the sandbox misbehave.
type Amount struct {
	// Value is in units, the same in every currency: "9402" stands for 9402.00 USD as for
	// 9402 JPY.
	Value string
	// Does says what happens, in a sentence without a full stop.
	Does string

	effect effect
	void   effect // of a void of a charge of this amount
	code   string // of a decline
}

type effect int

const (
	effectApprove effect = iota // every amount that is not magic
	effectDecline
	effectReject
	effectLimitOnce
	effectFail
	effectFailOnce
	effectLoseAnswer
	effectHang
	effectChargeLate
	effectChargeSlowly
	effectStumble
	effectNotCharged
	effectPaywall
	effectNoRoute
	effectOverload
	effectRedirect
	effectApproveLater
	effectDeclineLater
	effectReturnLater
	effectTakeAtOnce
	effectExpireAtOnce
)

// amounts are in the order of their values.
var amounts = []Amount{
	{Value: "9201", effect: effectRedirect, Does: "is pending until it is approved or declined at its page (redirect_url, /redirect/{key} of the server) or voided"},
	{Value: "9202", effect: effectApproveLater, Does: "is pending, and approved after 5 s unless it is voided before"},
	{Value: "9203", effect: effectDeclineLater, code: payment.DeclineCard, Does: "is pending, and declined with the code card_declined after 5 s unless it is voided before"},
	{Value: "9204", effect: effectReturnLater, Does: "is approved; if it is refunded, the refund succeeds, and its money comes back after 5 s (returned)"},
	{Value: "9301", effect: effectExpireAtOnce, Does: "is authorized if it is to be captured later, and the hold expires at once"},
	{Value: "9302", effect: effectTakeAtOnce, Does: "is captured at once, also if it is to be captured later"},
	{Value: "9311", void: effectLoseAnswer, Does: "is approved; a void of it succeeds, but the first answer is lost"},
	{Value: "9312", void: effectDecline, code: payment.DeclineNotPermitted, Does: "is approved; a void of it is declined with the code not_permitted"},
	{Value: "9313", void: effectHang, Does: "is approved; a void of it is never answered and never made"},
	{Value: "9314", void: effectApproveLater, Does: "is approved; a void of it is pending, and succeeds after 5 s"},
	{Value: "9315", void: effectDeclineLater, code: payment.DeclineNotPermitted, Does: "is approved; a void of it is pending, and declined with the code not_permitted after 5 s"},
	{Value: "9400", effect: effectReject, Does: "is rejected as a wrong request (400)"},
	{Value: "9402", effect: effectDecline, code: "card_declined", Does: "is declined with the code card_declined (402)"},
	{Value: "9429", effect: effectLimitOnce, Does: "is refused once as one too many (429, Retry-After: 1), then approved"},
	{Value: "9451", effect: effectDecline, code: "insufficient_funds", Does: "is declined with the code insufficient_funds (402)"},
	{Value: "9462", effect: effectPaywall, Does: "is charged, but the first answer is not the gateway's own: 402 Payment Required, as text and without the header Idempotency-Key"},
	{Value: "9464", effect: effectNoRoute, Does: "never reaches the gateway: something in between always answers with a web page, 404 without the header Idempotency-Key"},
	{Value: "9500", effect: effectFail, Does: "always fails (500) and is never charged"},
	{Value: "9501", effect: effectStumble, Does: "is charged, but the first answer is 500"},
	{Value: "9502", effect: effectNotCharged, Does: "always fails (502), is never charged, and the answer says so (\"charged\": false)"},
	{Value: "9503", effect: effectFailOnce, Does: "fails once (503), then is approved"},
	{Value: "9504", effect: effectLoseAnswer, Does: "is charged, but the first answer is lost: the connection closes without one"},
	{Value: "9505", effect: effectHang, Does: "is never answered and never charged"},
	{Value: "9506", effect: effectChargeLate, Does: "is charged 10 s late: until then every connection closes without an answer, and a lookup finds nothing"},
	{Value: "9508", effect: effectChargeSlowly, Does: "is charged and answered after 3 s; until then a lookup says processing"},
	{Value: "9563", effect: effectOverload, Does: "is charged 10 s late: until then something in between answers 503 without the header Idempotency-Key, and a lookup finds nothing"},
}

// Amounts returns the magic amounts in ascending order. A capture or a refund of such an amount behaves as a charge
// does, except that one of 9201 stays pending. A charge that is to be captured later is authorized if it would be
// approved. "once" is counted per gateway key, in memory, until the sandbox stops.
func Amounts() []Amount { return slices.Clone(amounts) }

// amountFor returns the magic amount of an operation: for a void, what its charge's amount does to voids.
func amountFor(c payment.Charge) Amount {
	a := amountOf(c.Money)
	if c.Operation.Kind == payment.KindVoid {
		a.effect = a.void
	}
	return a
}

// pends reports whether the operation is pending at first.
func (a Amount) pends() bool {
	return a.effect == effectRedirect || a.effect == effectApproveLater || a.effect == effectDeclineLater
}

// amountOf returns the magic amount of the money, or an Amount that is approved.
func amountOf(m payment.Money) Amount {
	whole, fraction, _ := strings.Cut(m.Decimal(), ".")
	if strings.Trim(fraction, "0") == "" {
		for _, a := range amounts {
			if a.Value == whole {
				return a
			}
		}
	}
	return Amount{}
}
