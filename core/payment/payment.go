package payment

import (
	"errors"
	"time"
)

// ErrFenced: the claim was lost, because another worker took the payment over. Its outcome is
// authoritative; nothing was written.
var ErrFenced = errors.New("the claim was taken over")

// Payment is an operation of an order: its charge, or a capture, a void or a refund of that. The charge is what the term payment
// means elsewhere, and its row holds the lock of the order. All times are of the database's clock.
type Payment struct {
	OrderID OrderID
	// Operation is the zero value for the charge.
	Operation OperationID
	Money     Money
	State     State

	// Of is the charge that another operation is about, and Note why it was asked for, as text for an operator.
	// Both are empty for the charge.
	Of   ChargeID
	Note string
	// RefundReserved is how much of a charge its refunds have given back or may give back, in minor units. Zero
	// for other operations, as are the fields below it.
	RefundReserved int64
	// Capture is whether the charge takes the money, or only holds it.
	Capture CaptureMode
	// CapturedMinor is how much of a hold was captured, in minor units; zero for all of it, with StateSucceeded.
	CapturedMinor int64
	// HoldClaimedBy is the operation that has, or may still have, captured or voided the hold; [KindCharge] if
	// there is none.
	HoldClaimedBy Kind
	// HoldExpires is when the gateway releases the hold, by its clock; zero if it is not known.
	HoldExpires time.Time
	// Operations counts the operations other than the charge that were begun.
	Operations int

	// GatewayKey is stored before the first call to the gateway, together with Gateway, the gateway
	// that the key is sent to. Gateway is empty in rows that the previous version wrote.
	GatewayKey GatewayKey
	Gateway    GatewayID
	// KeySent is the first claim that may have sent the key, zero before it. KeyLifetime is how long
	// the gateway remembers a key, as its adapter declared at that claim; zero for ever.
	KeySent     Instant
	KeyLifetime time.Duration
	// Method and ReturnURL are sent with the key: what to charge, and where a customer who had to act
	// returns to. They are stored with it, because a key means one request.
	Method    PaymentMethod
	ReturnURL string

	// Fence is the fencing token: it grows by one at each claim, and a write that carries an older
	// one is refused.
	Fence int64
	// Replica holds the claim, or held it last.
	Replica string
	// DueAt is when the service itself has something to do: the end of the lease (processing), the
	// next attempt (scheduled), the next lookup (pending, unresolved). Zero if the state is final.
	DueAt time.Time

	// Attempt is the latest attempt. Earlier ones are rows of their own, so that a payment which
	// succeeds at the first attempt is one row, written twice.
	Attempt Attempt
	// Doubt sums up what is unknown about the attempts with the current gateway key.
	Doubt Doubt
	// Retries counts the retries that the current round has used. The queue continues from it.
	Retries int
	// Keys are the records of the order's keys that have one, each in its latest state.
	Keys []Key
	// Lookups counts the reconciler's lookups since the payment became pending or unresolved.
	Lookups int
	// LostWorkers counts the claims in a row whose workers were lost: the lease expired, and nothing
	// was written.
	LostWorkers int
	// Events counts the stored events of the payment's history.
	Events int

	// Async: accepted with respond-async, and no caller has received a failure yet.
	Async bool
	// DeferredRetries counts the rounds after the first that an async payment was given.
	DeferredRetries int

	TransactionID string // the gateway's; with StateSucceeded, StateAuthorized and StateVoided
	Code          string // the gateway's code (declined), or one of the constants Code… (failed)
	Reason        string // the cause, as text for an operator

	CreatedAt time.Time
	UpdatedAt time.Time
	// SeenAt is the database's clock when the payment was read. It is not stored, and zero for a
	// payment that this call created.
	SeenAt time.Time
	// TakenOver: this call claimed the payment from a worker whose lease had expired. It is not
	// stored, and false for a payment that was only read.
	TakenOver bool
}

// The codes of a failed payment.
const (
	// CodeRetriesExhausted: every attempt was provably not charged.
	CodeRetriesExhausted = "retries_exhausted"
	// CodeRejected: the gateway rejected our request as invalid; an operator must look.
	CodeRejected = "gateway_rejected"
	// CodeResolved: an operator resolved that the money was not taken.
	CodeResolved = "resolved"
)

// Claimed reports whether a worker holds a live lease at now.
func (p Payment) Claimed(now time.Time) bool {
	return p.State == StateProcessing && now.Before(p.DueAt)
}

// RoundOver reports whether the latest round of attempts is complete: the state is final, or lookups
// follow. It is false while a worker charges or the queue will.
func (p Payment) RoundOver() bool { return p.State.Final() || p.State.looksUp() }

// RedirectURL returns where the customer must act; empty if there is nothing to do.
func (p Payment) RedirectURL() string {
	if p.State != StatePending {
		return ""
	}
	k, _ := p.findKey(p.GatewayKey)
	return k.RedirectURL
}

// GatewayOf returns the gateway of one of the payment's keys.
func (p Payment) GatewayOf(key GatewayKey) GatewayID {
	if key == p.GatewayKey {
		return p.Gateway
	}
	k, _ := p.findKey(key)
	return k.Gateway
}

// ChargeRef names the charge of one of the payment's keys for a lookup.
func (p Payment) ChargeRef(key GatewayKey) ChargeRef {
	k, _ := p.findKey(key)
	ref := ChargeRef{
		Key: key, OrderID: p.OrderID, Operation: p.Operation, Of: p.Of, Money: p.Money, Capture: p.Capture,
		Reference: k.Reference, Sent: k.Sent.DB,
	}
	if key == p.GatewayKey {
		ref.Sent = p.KeySent.DB
		if p.State.Approved() {
			ref.TransactionID = p.TransactionID
		}
	}
	return ref
}

// InBackoff reports whether the payment waits, at now, for its next attempt while its worker holds
// the claim.
func (p Payment) InBackoff(now time.Time) bool {
	return p.State == StateProcessing && p.Attempt.StartedAt.After(now)
}

// Attempts counts the attempts that have begun, or are planned for the end of a backoff.
func (p Payment) Attempts() int {
	if p.Attempt.StartedAt.IsZero() && p.Attempt.Number > 0 {
		return p.Attempt.Number - 1
	}
	return p.Attempt.Number
}

// clampFutureTimes replaces moments that lie in the future of a clock that has stepped back.
func (p *Payment) clampFutureTimes(r KeyRules, now Instant) {
	p.KeySent = p.KeySent.Clamp(now, 0)
	p.Doubt = p.Doubt.clamp(now, r.maxSkew())
}
