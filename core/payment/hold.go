package payment

import (
	"cmp"
	"fmt"
	"time"
)

// CaptureMode is whether a charge takes the money, or only holds it. The values of the API are "automatic" and
// "manual".
type CaptureMode string

const (
	// CaptureAutomatic takes the money at once. It is the zero value.
	CaptureAutomatic CaptureMode = ""
	// CaptureManual holds the money: a capture takes it later, and a void releases it.
	CaptureManual CaptureMode = "manual"
)

// ParseCaptureMode returns the mode of that name in the API; empty is automatic. The error is a *[FieldError].
func ParseCaptureMode(name string) (CaptureMode, error) {
	switch name {
	case "", "automatic":
		return CaptureAutomatic, nil
	case string(CaptureManual):
		return CaptureManual, nil
	}
	return "", &FieldError{Field: "capture", Message: "capture must be automatic or manual"}
}

// String returns the name of the mode in the API.
func (c CaptureMode) String() string { return cmp.Or(string(c), "automatic") }

func (c CaptureMode) valid() bool { return c == CaptureAutomatic || c == CaptureManual }

// claimsHold reports whether an operation of the kind can be [Payment.HoldClaimedBy].
func (k Kind) claimsHold() bool { return k == KindCharge || k == KindCapture || k == KindVoid }

// MinHoldLookup is the longest sleep of the queue between two searches for holds that are due.
const MinHoldLookup = time.Minute

// The shortest and the longest time between two lookups of an authorized payment.
const (
	minHoldLookup = time.Second
	maxHoldLookup = 24 * time.Hour
)

// holdLookupIn returns after how long an authorized payment is looked up: daily, and when the hold expires. If the
// gateway still holds the money after that, because its clock differs or it releases holds later, the interval doubles.
func (p *Payment) holdLookupIn(now time.Time) time.Duration {
	if p.HoldExpires.IsZero() {
		return maxHoldLookup
	}
	return min(max(p.HoldExpires.Sub(now).Abs(), minHoldLookup), maxHoldLookup)
}

// endsHold reports whether the gateway declined a capture or a void because it does not hold the money any more.
func endsHold(code string) bool {
	return code == DeclineHoldExpired || code == DeclineVoided || code == DeclineSucceeded
}

// Captured returns how much money a succeeded payment has taken.
func (p Payment) Captured() Money {
	if captured, err := MoneyFromMinor(p.CapturedMinor, p.Money.Currency()); err == nil {
		return captured
	}
	return p.Money
}

// CapturedHold returns how much money of a hold was captured; false if the payment is not a succeeded one that held its
// money first.
func (p Payment) CapturedHold() (Money, bool) {
	if !p.Operation.IsCharge() || p.Capture != CaptureManual || p.State != StateSucceeded {
		return Money{}, false
	}
	return p.Captured(), true
}

// captureRules: one capture of an authorized payment, of all or a part of what is held. The rest is released.
var captureRules = operationRules{
	single: true,
	needs:  OperationCapture,
	begin: func(charge Payment, asked Money) (Money, error) {
		held := charge.Money
		if err := charge.holdRefusal(KindCapture); err != nil {
			return Money{}, err
		}
		switch {
		case asked.IsZero():
			return held, nil
		case asked.Currency() != held.Currency():
			return Money{}, &OperationRefusedError{Left: held, State: charge.State, Why: fmt.Sprintf(
				"the payment is in %s; capture it in the same currency", held.Currency().Code())}
		case asked.Minor() > held.Minor():
			return Money{}, &OperationRefusedError{Left: held, State: charge.State, Why: fmt.Sprintf(
				"the capture exceeds what is held for the payment: %s; capture at most that", held)}
		}
		return asked, nil
	},
	account: func(charge, before, after Payment) (Payment, bool) {
		if after.State != StateSucceeded || before.State == StateSucceeded {
			return charge.accountHold(KindCapture, before, after)
		}
		charge.CapturedMinor = after.Money.Minor()
		return charge.endHold(StateSucceeded), true
	},
}

// voidRules: one void of an authorized payment, which releases all that is held.
var voidRules = operationRules{
	single: true,
	needs:  OperationVoid,
	begin: func(charge Payment, _ Money) (Money, error) {
		return charge.Money, charge.holdRefusal(KindVoid)
	},
	account: func(charge, before, after Payment) (Payment, bool) {
		if after.State != StateSucceeded || before.State == StateSucceeded || charge.State != StateAuthorized {
			return charge.accountHold(KindVoid, before, after)
		}
		return charge.endHold(StateVoided), true
	},
}

// accountHold reserves the hold for an operation that may capture or void it, and releases it once the operation
// provably did not.
func (p Payment) accountHold(kind Kind, before, after Payment) (Payment, bool) {
	switch {
	case after.reserves() && !before.reserves():
		p.HoldClaimedBy = kind
	case before.reserves() && !after.reserves() && p.HoldClaimedBy == kind:
		p.HoldClaimedBy = KindCharge
		if p.State == StateAuthorized && endsHold(after.Code) {
			p.DueAt = after.UpdatedAt // a lookup decides
		}
	default:
		return p, false
	}
	return p, true
}

// endHold returns the payment whose hold an operation has captured or voided. The fencing token grows, because a
// lookup that was sent before has an older answer.
func (p Payment) endHold(s State) Payment {
	p.State, p.HoldClaimedBy, p.DueAt = s, KindCharge, time.Time{}
	p.Code, p.Reason, p.Doubt = "", "", Doubt{}
	p.Fence++
	return p
}

// holdRefusal returns why a payment cannot be captured or voided now; nil if it can.
func (p Payment) holdRefusal(kind Kind) error {
	verb := "captured"
	if kind == KindVoid {
		verb = "voided"
	}
	refuse := func(why string) error { return &OperationRefusedError{State: p.State, Why: why} }
	switch {
	case p.State == StateAuthorized && p.HoldClaimedBy == KindCharge, p.State == StateAuthorized && p.HoldClaimedBy == kind:
		return nil
	case p.State == StateAuthorized:
		return refuse(fmt.Sprintf("a %s of the payment is in progress, so that it cannot be %s", p.HoldClaimedBy, verb))
	case p.State == StateSucceeded && kind == KindVoid:
		return refuse("the payment is succeeded, so that it cannot be voided; refund it instead")
	case p.State.Final() && !p.Doubt.Any():
		return refuse(fmt.Sprintf("the payment is %s; only an authorized payment can be %s", p.State, verb))
	}
	return ErrChargeOpen
}

// concludeHold stores what a lookup found of an authorized payment. What ends the hold counts only while no
// capture or void may have done it, because their own outcome decides then. No absence ends a hold, because the
// gateway itself has named it.
func (r LookupRecord) concludeHold(p Payment, now Instant) Decision {
	was := p
	o := Outcome{State: StateAuthorized, TransactionID: p.TransactionID, HoldExpires: p.HoldExpires}
	claimed := p.HoldClaimedBy != KindCharge
	switch r.Result.Result {
	case FoundAuthorized:
		if !r.Result.HoldExpires.IsZero() {
			o.HoldExpires = r.Result.HoldExpires
		}
		if claimed || !p.CancelRequested() { // or the void is requested again, at growing intervals
			p.Lookups = 0
		}
	case FoundApproved:
		if !claimed {
			o.State, o.Reason = StateSucceeded, "captured outside the service"
			p.CapturedMinor = r.Result.Captured.Minor()
		}
	case FoundVoided:
		if !claimed {
			o.State, o.Reason = StateVoided, "the authorization expired, or was voided outside the service"
		}
	case FoundDeclined, FoundProcessing, FoundPending, FoundReturned, FoundNothing, FoundNoAnswer:
	}
	o.keepCancelRequest(p)
	p.settle(o, now)
	if o.State == StateAuthorized && p.Lookups > 0 {
		p.DueAt = was.DueAt // as the lookup's claim has set it
	}
	d := Decision{Verdict: VerdictWritten, Payment: p, Write: true}
	if o.State != StateAuthorized {
		d.Payment.Fence++
		d.addEvent(EventHoldEnded, r.Replica, string(o.State)+": "+o.Reason)
	}
	return d
}
