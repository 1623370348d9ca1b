package endpoint

import (
	"time"

	"paymentd/core/payment"
)

// MaxLoggedAttempts is how many attempts of one event for one endpoint are kept, the latest ones. All those of an event that
// was not replayed have room, see [Interval].
const MaxLoggedAttempts = 32

// Attempt is an entry of the log of attempts: one attempt to deliver an event, whose end was stored. An attempt whose
// replica was lost, or that ended after its lease, has no entry.
type Attempt struct {
	Ref

	Event payment.ChangeID
	Type  payment.ChangeType
	// Number is the fencing token of the attempt. It grows within an event, also over replays, with gaps.
	Number int64
	// EndedAt is the end of the attempt, by the database's clock.
	EndedAt time.Time
	// Duration is from the first byte of the request to the end of the answer, or of the wait for it, by the clock of
	// the replica.
	Duration time.Duration
	Answer   Answer
}

// Attempt returns the entry of the log for a completion; the database's clock dates it.
func (c Completion) Attempt() Attempt {
	return Attempt{
		Ref: c.Ref, Event: payment.NewChangeID(c.OrderID, c.Sequence), Type: c.Type, Number: c.Fence,
		Duration: c.Duration, Answer: c.Answer,
	}
}

// Slot is the place of the attempt in the log of its event: 0 to [MaxLoggedAttempts] - 1. A later attempt replaces the one
// that has its place.
func (a Attempt) Slot() int { return int(a.Number % MaxLoggedAttempts) }
