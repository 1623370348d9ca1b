package ports

import (
	"context"
	"time"

	"paymentd/core/payment"
)

// Gateway takes, holds, releases and gives back money.
type Gateway interface {
	// Charge makes one attempt at a charge or, by c.Operation, at a capture, a void or a refund of the charge
	// c.Of. A charge with payment.CaptureManual that holds the money is payment.ClassAuthorized. It returns when the attempt is complete or ctx ends. What is known
	// then is the class of the result: an adapter that does not know whether the request was sent
	// returns payment.ClassUnknownUnanswered.
	//
	// A key that was approved, authorized or declined before gets its first result again.
	Charge(ctx context.Context, c payment.Charge) payment.Result

	// LookUp returns what the gateway has recorded for a charge or another operation. It never charges. A gateway that
	// cannot be asked returns payment.FoundNoAnswer.
	LookUp(ctx context.Context, ref payment.ChargeRef) payment.Lookup

	// Cancel asks the gateway to cancel a charge that is pending, so that it can take no money any
	// more, and returns what the gateway has recorded for it then: payment.FoundVoided if it is
	// cancelled, payment.FoundApproved if it was too late. A gateway that cannot cancel returns what
	// LookUp returns. It is safe to repeat.
	Cancel(ctx context.Context, ref payment.ChargeRef) payment.Lookup

	// Capabilities returns what the gateway can prove. It does not change during the adapter's life.
	// If the gateway does not honour keys, the service never repeats an attempt of unknown outcome.
	Capabilities() payment.Capabilities
}

// Round is a series of attempts to charge one payment.
type Round struct {
	// Used is how many retries of the policy the round has used before.
	Used int
	// Attempt makes one attempt.
	Attempt func() payment.Result
	// Again reports whether another attempt may follow this result.
	Again func(payment.Result) bool
	// BeforeBackoff is called before each wait, with the result of the last attempt and the length of
	// the wait. An error ends the round.
	BeforeBackoff func(payment.Result, time.Duration) error
}

// Retry is the retry policy: how many retries, and how long to wait between attempts. The core decides
// which results may be followed by another attempt.
type Retry interface {
	// Run makes attempts until one may not be repeated or the policy's number of retries is reached,
	// and returns nil. It returns an error of BeforeBackoff, or ctx's error if ctx ends during a wait.
	// The end of ctx does not cut an attempt short.
	Run(ctx context.Context, r Round) error
}
