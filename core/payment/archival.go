package payment

import (
	"errors"
	"fmt"
	"time"
)

// ErrNotArchived: the payment has no end, or something has happened to it since its history was
// read. Nothing was written; the next run looks at it again.
var ErrNotArchived = errors.New("the payment has changed, and its history was left")

// Archival takes the earlier attempts and the events of a payment away, once they are kept
// elsewhere. The payment itself stays for good: it is what makes its order's charge one.
type Archival struct {
	OrderID OrderID
	// Fence, Attempt and Events are those of the payment when its history was read; what has
	// been added since is not kept elsewhere yet.
	Fence   int64
	Attempt int
	Events  int
	By      string // who does it
}

// Archival returns what takes away the history that was read with p.
func (p Payment) Archival(by string) Archival {
	return Archival{OrderID: p.OrderID, Fence: p.Fence, Attempt: p.Attempt.Number, Events: p.Events, By: by}
}

// Archivable reports whether the payment came to an end longer than age before it was read.
func (p Payment) Archivable(age time.Duration) bool {
	return p.State.Final() && p.UpdatedAt.Before(p.SeenAt.Add(-age))
}

// Apply returns the payment with one event more, which says that those before it are kept
// elsewhere, so that its history is not taken for the whole. Numbers go on. It is no change of
// the payment itself, whose UpdatedAt stays.
func (a Archival) Apply(p Payment, now time.Time) (Decision, error) {
	if !p.State.Final() || p.Fence != a.Fence || p.Attempt.Number != a.Attempt || p.Events != a.Events {
		return Decision{}, ErrNotArchived
	}
	d := Decision{Verdict: VerdictWritten, Payment: p, Write: true}
	d.addEvent(EventArchived, a.By, fmt.Sprintf("events up to %d and attempts before %d are in the archive", a.Events, a.Attempt))
	d.Event.At = now
	return d, nil
}
