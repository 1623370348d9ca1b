package endpoint

import (
	"errors"
	"fmt"
	"time"
)

// SwitchOffAfter is for how long every delivery must fail before an endpoint is switched off.
const SwitchOffAfter = 72 * time.Hour

// MaxOverlap bounds for how long a rotated secret still signs.
const MaxOverlap = 30 * 24 * time.Hour

// ErrDeleted: the endpoint was deleted, which cannot be undone.
var ErrDeleted = errors.New("the endpoint is deleted: create a new one with `paymentd endpoints create`")

// OverlapError reports that the secret was rotated, and that the one before it still signs, because receivers may hold it.
// Another rotation would end that.
type OverlapError struct{ Until time.Time }

// Error says until when the secret signs.
func (e *OverlapError) Error() string {
	return fmt.Sprintf("the secret was rotated already, and the one before it signs until %s, because receivers may hold it",
		e.Until.UTC().Format(time.RFC3339))
}

// Change changes a stored endpoint. The zero value changes nothing.
type Change struct {
	// State is the state that an operator sets; empty to keep it.
	State State
	// Secret is the new secret of a rotation, and Overlap for how long the one before signs as well.
	Secret  Secret
	Overlap time.Duration
	// EndOverlap: the rotation may end the overlap of an earlier one. Without it, a rotation with an overlap is refused until
	// then, and one without an overlap, of a secret that has leaked, is not.
	EndOverlap bool
	// By names the person who changes the endpoint, for the record. It is empty for an attempted delivery.
	By string
	// Attempted: a delivery was attempted, and has Failed or succeeded.
	Attempted, Failed bool
}

// Apply returns the changed endpoint, and whether to store it. The error is [ErrDeleted] or an
// *[OverlapError]. It is safe to repeat.
func (c Change) Apply(e Endpoint, now time.Time) (Endpoint, bool, error) {
	switch {
	case e.State == StateDeleted && c.State == StateDeleted:
		return e, false, nil
	case e.State == StateDeleted && c.Attempted:
		return e, false, nil
	case e.State == StateDeleted:
		return e, false, ErrDeleted
	case c.Attempted:
		return c.attempted(e, now)
	case c.Secret.Reveal() != "" && c.Secret != e.Secret:
		return c.rotated(e, now)
	case c.State == "" || c.State == e.State:
		return e, false, nil
	}
	e.State, e.ChangedAt, e.FailingSince = c.State, now, time.Time{}
	if e.State == StateDeleted {
		e.Secret, e.Previous, e.PreviousUntil = Secret{}, Secret{}, time.Time{}
	}
	return e, true, nil
}

// rotated replaces the secret.
func (c Change) rotated(e Endpoint, now time.Time) (Endpoint, bool, error) {
	if c.Overlap > 0 && !c.EndOverlap && e.overlaps(now) {
		return e, false, &OverlapError{e.PreviousUntil}
	}
	e.Previous, e.PreviousUntil = e.Secret, now.Add(c.Overlap)
	if c.Overlap <= 0 {
		e.Previous, e.PreviousUntil = Secret{}, time.Time{}
	}
	e.Secret, e.ChangedAt = c.Secret, now
	return e, true, nil
}

// attempted records the result of a delivery.
func (c Change) attempted(e Endpoint, now time.Time) (Endpoint, bool, error) {
	switch {
	case !c.Failed:
		failing := !e.FailingSince.IsZero()
		e.FailingSince = time.Time{}
		return e, failing, nil
	case e.State != StateActive:
		return e, false, nil
	case e.FailingSince.IsZero(), e.FailingSince.After(now): // or the clock has stepped back
		e.FailingSince = now
		return e, true, nil
	case now.Sub(e.FailingSince) >= SwitchOffAfter:
		e.State, e.ChangedAt = StateSwitchedOff, now
		return e, true, nil
	}
	return e, false, nil
}
