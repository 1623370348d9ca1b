package payment

import "time"

// Doubt is what is unknown about the attempts with one gateway key. A key in doubt is not closed: an
// attempt with it may have taken the money, or may still take it.
type Doubt struct {
	// Answered: the gateway itself answered an attempt without saying whether it charged.
	Answered bool
	// Named: the gateway itself reported the charge as pending.
	Named bool
	// Unanswered is the latest moment at which an attempt that the gateway itself has not answered
	// may have been sent, or was still running. Zero if there is none.
	Unanswered Instant
	// Latest is the latest moment at which an attempt of an unknown outcome ended. Zero if there is
	// none.
	Latest Instant
}

// Any reports whether the money may have been taken.
func (d Doubt) Any() bool { return d.Answered || d.Named || !d.Unanswered.IsZero() }

// MayStillCharge reports whether, at now, an unanswered attempt may still reach the gateway and charge.
// It may until late has passed since it was sent, by both clocks.
func (d Doubt) MayStillCharge(now Instant, late time.Duration) bool {
	return !d.Unanswered.IsZero() && d.Unanswered.Elapsed(now) < late
}

// With returns the doubt after an attempt that ended at now with class c.
func (d Doubt) With(c Class, now Instant) Doubt {
	switch c {
	case ClassUnknownAnswered, ClassKeyReused:
		d.Answered = true
	case ClassPending:
		d.Answered, d.Named = true, true
	case ClassUnknownUnanswered:
		d.Unanswered = d.Unanswered.Later(now)
	case ClassApproved, ClassAuthorized, ClassDeclined, ClassRejected, ClassNotCharged:
		return d
	}
	d.Latest = d.Latest.Later(now)
	return d
}

// clamp replaces moments that lie in the future of a clock that has stepped back.
func (d Doubt) clamp(now Instant, ahead time.Duration) Doubt {
	d.Unanswered = d.Unanswered.Clamp(now, ahead)
	d.Latest = d.Latest.Clamp(now, ahead)
	return d
}
