package fake

import (
	"time"

	"paymentd/core/payment"
)

// Rules are the decisions that a repository makes under a payment's lock: those of package payment. A test
// replaces one with a broken rule to check that other tests fail.
type Rules struct {
	Decide func(payment.ClaimRequest, payment.Payment, time.Time) payment.Decision
	// DecideOperation and Account are about operations that are not charges.
	DecideOperation func(payment.ClaimRequest, payment.Payment, *payment.Payment, time.Time) (payment.Decision, error)
	Account         func(d payment.Decision, charge, before payment.Payment) payment.Decision

	PickUp func(payment.PickUpPolicy, payment.Payment, time.Time) payment.Decision
	Renew  func(payment.Renewal, payment.Payment, time.Time) (payment.Decision, error)
	Settle func(payment.Settlement, payment.Payment, time.Time) (payment.Decision, error)

	PickUpKey      func(payment.PickUpPolicy, payment.Payment, payment.GatewayKey, time.Time) payment.Decision
	RecordLookup   func(payment.LookupRecord, payment.Payment, time.Time) (payment.Decision, error)
	RecordApproval func(payment.Approval, payment.Payment, time.Time) (payment.Decision, error)
	Notify         func(payment.Notice, payment.Payment, time.Time) (payment.Decision, error)
	Resolve        func(payment.Resolution, payment.Payment, time.Time) (payment.Decision, error)
	Import         func(payment.Import, payment.Payment, time.Time) (payment.Decision, error)
	// ImportOperation is Import for operations that are not charges.
	ImportOperation func(payment.Import, payment.Payment, *payment.Payment, time.Time) (payment.Decision, error)
}

func rules() Rules {
	return Rules{
		Decide: payment.ClaimRequest.Decide, DecideOperation: payment.ClaimRequest.DecideOperation,
		Account: payment.Decision.Account, PickUp: payment.PickUpPolicy.PickUp,
		Renew: payment.Renewal.Apply, Settle: payment.Settlement.Apply,
		PickUpKey: payment.PickUpPolicy.PickUpKey, RecordLookup: payment.LookupRecord.Apply,
		RecordApproval: payment.Approval.Apply, Notify: payment.Notice.Apply,
		Resolve: payment.Resolution.Apply, Import: payment.Import.Apply,
		ImportOperation: payment.Import.ApplyOperation,
	}
}
