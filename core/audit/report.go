package audit

import (
	"time"

	"paymentd/core/payment"
)

// Kind is a kind of difference between the gateway's list and the payments. Its values are those of the
// reports.
type Kind string

const (
	// KindUnknown: charged or pending there, and no payment here.
	KindUnknown Kind = "unknown_here"
	// KindNotCharged: approved here, and declined or absent there; or succeeded here, and only held there.
	KindNotCharged Kind = "not_charged"
	// KindAmount: the same transaction with another amount.
	KindAmount Kind = "other_amount"
	// KindCurrency: the same transaction in another currency.
	KindCurrency Kind = "other_currency"
	// KindTransaction: the payment's transaction is not there, and the order's charge has another.
	KindTransaction Kind = "other_transaction"
	// KindTwice: the order was charged more than once.
	KindTwice Kind = "charged_twice"
	// KindShared: several orders have one transaction, of which at most one was charged.
	KindShared Kind = "shared_transaction"
	// KindOtherOrder: a charge with the key of a payment is another order's.
	KindOtherOrder Kind = "other_order"
	// KindNotSucceeded: charged there, and declined or failed here.
	KindNotSucceeded Kind = "not_succeeded"
	// KindLeftKey: charged there with a key that the order has left, and not succeeded here.
	KindLeftKey Kind = "left_key"
	// KindUnresolvedCharged: charged there, and unresolved here.
	KindUnresolvedCharged Kind = "unresolved_charged"
	// KindUnresolvedDeclined: declined there, and unresolved here.
	KindUnresolvedDeclined Kind = "unresolved_declined"
	// KindPending: not decided there, and final here, or pending with a key that the order has left.
	KindPending Kind = "pending"
	// KindHeld: held there, and neither authorized nor open here, or with a key that the order has left.
	KindHeld Kind = "held"
	// KindVoided: voided there, and succeeded here.
	KindVoided Kind = "voided"
	// KindCaptured: the same transaction, of which another amount was captured.
	KindCaptured Kind = "other_capture"
	// KindRefundedThere: the gateway gave more of the charge back than the refunds here explain.
	KindRefundedThere Kind = "refunded_there"
	// KindRefundedHere: refunds have succeeded here, and the gateway gave less of the charge back.
	KindRefundedHere Kind = "refunded_here"
	// KindUnreadable: the row of the payment, or of one of its refunds, is damaged, so that it cannot be compared.
	KindUnreadable Kind = "unreadable"
)

// Kinds returns every kind of difference.
func Kinds() []Kind {
	return []Kind{
		KindUnknown, KindNotCharged, KindAmount, KindCurrency, KindTransaction, KindTwice, KindShared, KindOtherOrder,
		KindNotSucceeded, KindLeftKey, KindUnresolvedCharged, KindUnresolvedDeclined, KindPending, KindHeld, KindVoided,
		KindCaptured, KindRefundedThere, KindRefundedHere, KindUnreadable,
	}
}

// Difference is one difference between the gateway's list and the payments.
type Difference struct {
	Kind    Kind
	OrderID payment.OrderID
	// Others are the further orders of the transaction (KindShared), or the order whose key it is
	// (KindOtherOrder).
	Others []payment.OrderID
	// Key is that of the charge; that of the payment if there is no charge.
	Key payment.GatewayKey
	// Charge is zero if the list has none.
	Charge payment.LedgerCharge
	// Payment is zero if there is none, or if its row cannot be read.
	Payment payment.Summary
	// Refunds are those of the charge; with KindRefundedThere and KindRefundedHere.
	Refunds Refunds
	// Lookup is what the gateway answered when it was asked for the key.
	Lookup payment.LookupResult
	// Confirmed: the lookup agrees with the list and, if a sum differs, the list has the charge with that sum again. It is
	// false if the gateway gave no answer, or has forgotten the key, so that the difference rests on the list alone.
	Confirmed bool
	// Problem says what is wrong with the row; with KindUnreadable.
	Problem string
}

// since is when the charge was made, or the payment created.
func (d *Difference) since() time.Time {
	if d.Charge.Created.IsZero() {
		return d.Payment.CreatedAt
	}
	return d.Charge.Created
}

// InFlight is a payment that is not final, or has refunds that are not, or a charge that is not decided, and so is not
// compared.
type InFlight struct {
	Payment payment.Summary
	Refunds Refunds
	// Charge is what the list has of it; zero if nothing.
	Charge payment.LedgerCharge
}

// Report is the result of an audit.
type Report struct {
	Gateway payment.GatewayID
	// From (inclusive) and To (exclusive) are the period that was compared. It ends before the one that
	// was asked for if that is not over, or has only just ended.
	From, To time.Time
	// Charges and Payments count what was read of the two sides, Lookups the queries at the gateway.
	Charges, Payments, Lookups int
	// Foreign counts the charges that name no order: another program made them. ElsewherePayments
	// counts the payments of other gateways.
	Foreign, ElsewherePayments int
	// WithoutSums counts the charges that took money, and of which the list does not say how much was captured or
	// refunded, so that these are not compared.
	WithoutSums int
	Differences []Difference
	// InFlight has at most [maxInFlight] of the InFlightCount payments that are not compared.
	// Of a payment beyond these, the count may count both its charge and its row.
	InFlight      []InFlight
	InFlightCount int
	// Unreadable describes at most [maxUnreadable] of the UnreadableCount entries of the list that could
	// not be read.
	Unreadable      []string
	UnreadableCount int
	// Truncated: there were more than [MaxCandidates] candidates, and not everything was compared.
	Truncated bool
}

// Agrees reports whether everything was compared and no difference was found.
func (r *Report) Agrees() bool {
	return len(r.Differences) == 0 && r.UnreadableCount == 0 && !r.Truncated
}

const (
	// MaxCandidates limits the candidates of an audit, which are confirmed one by one.
	MaxCandidates = 10_000
	maxInFlight   = 1000
	maxUnreadable = 100
	// maxShared limits the transactions of several orders, and maxSharedOrders the orders of each.
	maxShared       = 1000
	maxSharedOrders = 10
	// maxCursorBytes limits the cursors of pages that are kept.
	maxCursorBytes = 8 << 20
)

// Phase is what an audit is doing.
type Phase string

const (
	// PhaseCharges reads the gateway's list.
	PhaseCharges Phase = "the gateway's list"
	// PhasePayments reads the payments.
	PhasePayments Phase = "the payments"
	// PhaseShared reads the list again, for transactions of several orders.
	PhaseShared Phase = "shared transactions"
	// PhaseConfirm looks up the candidates.
	PhaseConfirm Phase = "confirming differences"
)

// Progress is how far an audit has come.
type Progress struct {
	Phase Phase
	// Done counts the charges, payments or candidates of the phase.
	Done int
	// Share is the share of the phase that is done, from 0 to 1, as estimated by the times of what was
	// read.
	Share float64
}
