package payment

import (
	"errors"
	"fmt"
	"time"
)

// ErrNotArchived: the payment is not final or is in doubt, or has changed since its history was read. Nothing was
// written; the next run tries again.
var ErrNotArchived = errors.New("the payment has changed since its history was read: its history was not archived")

// Archival deletes the earlier attempts and the events of a payment, once the archive has them. The
// payment itself stays for ever, because its row is what prevents a second charge of the order.
type Archival struct {
	OrderID OrderID
	// Fence, Attempt and Events are those of the payment when its history was read. What was added
	// since is not in the archive yet.
	Fence   int64
	Attempt int
	Events  int
	// Operations counts those that were begun of the payment then, all of which are concluded.
	Operations int
	By         string // the operator
}

// Archival returns what deletes the history that was read with p.
func (p Payment) Archival(by string) Archival {
	return Archival{OrderID: p.OrderID, Fence: p.Fence, Attempt: p.Attempt.Number, Events: p.Events, Operations: p.Operations, By: by}
}

// Archivable reports whether the payment became final longer than age before it was read.
func (p Payment) Archivable(age time.Duration) bool {
	return p.State.Final() && p.UpdatedAt.Before(p.SeenAt.Add(-age))
}

// Apply returns the payment with one more event, which says that the earlier ones are in the archive,
// so that the rest is not mistaken for the whole history. Numbering goes on. UpdatedAt is unchanged,
// because the payment itself is. The error is [ErrNotArchived].
func (a Archival) Apply(p Payment, now time.Time) (Decision, error) {
	if !p.State.Final() || p.Doubt.Any() || p.HoldClaimedBy != KindCharge || p.Operations != a.Operations || p.Fence != a.Fence || p.Attempt.Number != a.Attempt || p.Events != a.Events {
		return Decision{}, ErrNotArchived
	}
	d := Decision{Verdict: VerdictWritten, Payment: p, Write: true}
	d.addEvent(EventArchived, a.By, fmt.Sprintf("events up to %d and attempts before %d are in the archive", a.Events, a.Attempt))
	d.Event.At = now
	return d, nil
}
