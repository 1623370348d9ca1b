package payment

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Kind is what an operation does with money. All kinds have the same life: they are claimed, leased, fenced,
// attempted, looked up and settled by the same functions. They differ in what [operationRules] allow, and in
// what the gateway is asked.
type Kind string

const (
	// KindCharge takes the money of an order. Its operation is the payment itself.
	KindCharge Kind = ""
	// KindCapture takes money that a charge holds, and releases the rest.
	KindCapture Kind = "capture"
	// KindVoid releases money that a charge holds.
	KindVoid Kind = "void"
	// KindRefund gives money of a succeeded payment back.
	KindRefund Kind = "refund"
)

// OperationID identifies an operation within its order. The zero value is the order's charge.
type OperationID struct {
	Kind Kind
	// Name is the client's id of the operation, such as the refund_id: 1 to [MaxOrderIDBytes] printable ASCII
	// characters without spaces. Empty for a kind of which an order has at most one operation: the charge, a
	// capture and a void.
	Name string
}

// IsCharge reports whether the operation is the order's charge.
func (id OperationID) IsCharge() bool { return id == OperationID{} }

// String returns the kind, and the name if it has one.
func (id OperationID) String() string {
	switch {
	case id.IsCharge():
		return "charge"
	case id.Name == "":
		return string(id.Kind)
	}
	return string(id.Kind) + " " + id.Name
}

// Ref names an operation among those of all orders.
type Ref struct {
	OrderID   OrderID
	Operation OperationID
}

// Ref returns the payment's.
func (p Payment) Ref() Ref { return Ref{p.OrderID, p.Operation} }

// ChargeID names the charge that another operation is about. It is stored with the operation, because what is
// sent with a key depends only on what is stored with it.
type ChargeID struct {
	Key           GatewayKey
	Gateway       GatewayID
	TransactionID string
}

// ErrChargeOpen: the outcome of the payment is not known yet, so that nothing can be done with its money.
var ErrChargeOpen = errors.New("the payment's own outcome is not known yet")

// OperationRefusedError refuses an operation that the payment does not allow. Nothing was stored.
type OperationRefusedError struct {
	Why string // a sentence that says what to change
	// Left is the amount that is left for operations of this kind; zero if there is none.
	Left Money
	// State is the state of the payment; empty if it does not matter.
	State State
}

// MaxOperations bounds the operations of one payment, because all are read together.
const MaxOperations = 1000

// Error returns the sentence in Why.
func (e *OperationRefusedError) Error() string { return e.Why }

// operationRules are what the domain allows for one kind of operation.
type operationRules struct {
	// single: an order has at most one operation of the kind, which has no name.
	single bool
	// needs is what the gateway must be able to do.
	needs Operations
	// begin returns the amount of an operation that reserves its amount now: the one that was asked for or, if
	// that is zero, the default. Otherwise the error is [ErrChargeOpen] or an *[OperationRefusedError].
	begin func(charge Payment, asked Money) (Money, error)
	// account returns the charge after a change of one of its operations, and whether the charge has changed.
	// The operation before the change is the zero value if it is new.
	account func(charge, before, after Payment) (Payment, bool)
}

// operations has every kind but the charge.
var operations = map[Kind]operationRules{KindCapture: captureRules, KindVoid: voidRules, KindRefund: refundRules}

// Kinds returns all kinds of operations, the charge first.
func Kinds() []Kind {
	return append([]Kind{KindCharge}, slices.Sorted(maps.Keys(operations))...)
}

func (k Kind) valid() bool {
	_, known := operations[k]
	return known || k == KindCharge
}

// DecideOperation decides about a request for an operation of a payment, under the lock of the payment's row at
// now. stored is the operation as it is stored, or nil if it is new. The operation is in the decision's
// Payment, and the payment itself in Charge if it changes. The error is [ErrChargeOpen] or an
// *[OperationRefusedError]; nothing is to be stored then.
func (a ClaimRequest) DecideOperation(charge Payment, stored *Payment, now time.Time) (Decision, error) {
	rules := operations[a.Operation.Kind]
	if stored == nil {
		return a.beginOperation(rules, charge, Instant{now, a.Worker})
	}
	if a.Money.IsZero() {
		a.Money = stored.Money
	}
	switch {
	case a.SecondTransaction != "" && a.SecondTransaction != stored.Of.TransactionID:
		return Decision{}, &OperationRefusedError{Why: fmt.Sprintf(
			"the %s gives back transaction %s, and the gateway key has another one, %s; refund that in the gateway's console",
			stored.Operation, stored.Of.TransactionID, a.SecondTransaction)}
	case a.Money == stored.Money && stored.returned():
		return unchanged(VerdictReplay, *stored), nil
	case a.Money == stored.Money && !stored.reserves() && !a.Operation.RefundsSecondCharge():
		if _, err := rules.begin(charge, stored.Money); err != nil {
			return unchanged("", *stored), err
		}
	}
	return a.Decide(*stored, now).Account(charge, *stored), nil
}

// beginOperation opens a new operation, claimed by the request unless it is deferred.
func (a ClaimRequest) beginOperation(rules operationRules, charge Payment, now Instant) (Decision, error) {
	of := ChargeID{Key: charge.GatewayKey, Gateway: charge.Gateway, TransactionID: charge.TransactionID}
	var money Money
	var err error
	if a.Operation.RefundsSecondCharge() {
		of, money, err = a.beginSecondRefund(charge)
	} else {
		money, err = rules.begin(charge, a.Money)
	}
	own, configured := a.Rules.At(of.Gateway)
	of.Gateway = own.Gateway
	switch {
	case err != nil:
		return Decision{}, err
	case !configured:
		return unchanged(VerdictForeign, charge), nil
	case !own.Operations.Has(rules.needs):
		return Decision{}, &OperationRefusedError{Why: fmt.Sprintf(
			"the gateway of this payment does not support %ss through this service; use the gateway's own console", a.Operation.Kind)}
	case charge.Operations >= MaxOperations:
		return Decision{}, &OperationRefusedError{Why: fmt.Sprintf(
			"the payment has %d operations already, which is the most that one payment can have", MaxOperations)}
	}
	p := Payment{
		OrderID: a.OrderID, Operation: a.Operation, Note: sanitizeMessage(a.Note),
		Of: of, Money: money, GatewayKey: a.NewKey, Gateway: own.Gateway, Replica: a.Replica,
		State: StateScheduled, DueAt: now.DB, Attempt: Attempt{Number: 1},
		Async: a.Async, CreatedAt: now.DB, UpdatedAt: now.DB,
	}
	d := Decision{Verdict: VerdictAccepted, Write: true}
	if !a.Deferred {
		d.Verdict, p.State = VerdictClaimed, StateProcessing
		c := a.claimant()
		c.rules = own
		p.startAttempt(c, now)
	}
	d.Payment = p
	if a.By != "" {
		d.addEvent(EventScheduled, a.By, "requested by an operator: "+a.Note)
	}
	return d.Account(charge, Payment{}), nil
}

// Account returns the decision about an operation together with what it changes of the operation's charge. Every
// write of an operation goes through it, so that no amount is reserved or released twice.
func (d Decision) Account(charge, before Payment) Decision {
	if !d.Write {
		return d
	}
	after, changed := operations[d.Payment.Operation.Kind].account(charge, before, d.Payment)
	if before.State == "" {
		after.Operations++
		changed = true
	}
	if changed {
		after.UpdatedAt = d.Payment.UpdatedAt
		d.Charge = &after
	}
	return d
}

// reserves reports whether the operation's amount is reserved: it has moved the money, or may still move it. Only
// a closed key releases it.
func (p Payment) reserves() bool { return reserves(p.State, p.Doubt.Any()) }

func reserves(s State, inDoubt bool) bool {
	switch s {
	case StateProcessing, StateScheduled, StatePending, StateUnresolved, StateSucceeded:
		return true
	case StateDeclined, StateFailed:
		return inDoubt
	case StateAuthorized, StateVoided: // of charges only
	}
	return false // there is no such operation yet
}
