package payment

import (
	"errors"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// ErrFenced: the claim was lost. Another worker has taken the payment over, and its
// word counts; nothing was written.
var ErrFenced = errors.New("the claim was taken over")

// Payment is one order's charge. All its times are of the database's clock.
type Payment struct {
	OrderID OrderID
	Money   Money
	State   State

	// GatewayKey is stored before the gateway is called for the first time.
	GatewayKey GatewayKey

	// Fence is the fencing number: it grows by one at each claim, and a write that
	// carries an older one is refused.
	Fence int64
	// Replica holds the claim, or held it last.
	Replica string
	// DueAt is when the service itself has something to do: the end of the lease
	// (processing), the next attempt (scheduled), the next lookup (unresolved). Zero
	// when nothing is left to do.
	DueAt time.Time

	// Attempt is the latest attempt. The ones before it are kept apart: a payment
	// that succeeds at once is one row, written twice.
	Attempt Attempt
	// Doubt sums up what the attempts with the present gateway key left open.
	Doubt Doubt
	// Lookups counts the reconciler's questions since the payment became unresolved.
	Lookups int
	// Strikes counts the claims in a row that ended without a word.
	Strikes int
	// Events counts the stored events of the payment's history.
	Events int

	// Async: accepted with respond-async, and nobody has been told that it failed.
	Async bool
	// LaterRetries counts the rounds after the first that an async payment was given.
	LaterRetries int

	TransactionID string // the gateway's; with StateSucceeded
	Code          string // why: the gateway's code (declined), or a Code* (failed)
	Reason        string // why, in words for an operator

	CreatedAt time.Time
	UpdatedAt time.Time
	// SeenAt is the database's clock when the payment was read. It is not stored, and
	// zero for a payment that this very call created.
	SeenAt time.Time
	// TakenOver: the claim that this payment was returned for is one whose worker fell silent
	// over it. It is not stored, and false for a payment that was merely read.
	TakenOver bool
}

// The codes of a failed payment.
const (
	// CodeRetriesExhausted: every attempt was provably not charged.
	CodeRetriesExhausted = "retries_exhausted"
	// CodeRejected: the gateway found our request wrong; an operator must look.
	CodeRejected = "gateway_rejected"
	// CodeResolved: a person said that the money was not taken.
	CodeResolved = "resolved"
)

// Claimed reports whether a worker holds a live lease at now.
func (p Payment) Claimed(now time.Time) bool {
	return p.State == StateProcessing && now.Before(p.DueAt)
}

// Ended reports whether the last round came to an end, if only to not knowing.
func (p Payment) Ended() bool { return p.State.Known() || p.State == StateUnresolved }

// InBackoff reports whether the payment waits, at now, for its next attempt while
// its worker holds the claim.
func (p Payment) InBackoff(now time.Time) bool {
	return p.State == StateProcessing && p.Attempt.StartedAt.After(now)
}

// Attempts counts the attempts that have begun, or are about to.
func (p Payment) Attempts() int {
	if p.Attempt.StartedAt.IsZero() && p.Attempt.Number > 0 {
		return p.Attempt.Number - 1
	}
	return p.Attempt.Number
}

// Attempt is one call to the gateway. The attempts of one fencing number are a round.
type Attempt struct {
	// Number counts the payment's attempts from 1. With StartedAt zero it is the
	// number that the next attempt will have.
	Number     int
	Fence      int64
	Replica    string
	GatewayKey GatewayKey
	// StartedAt lies in the future during the backoff before the attempt.
	StartedAt time.Time
	// EndedAt is zero while the attempt is under way, and stays zero when its worker
	// died and nobody saw the end.
	EndedAt time.Time
	Class   Class // empty while under way
	Code    string
	Message string
}

// Begun reports whether the attempt is under way at now, or over.
func (a Attempt) Begun(now time.Time) bool {
	return !a.StartedAt.IsZero() && (a.Class != "" || !a.StartedAt.After(now))
}

// AttemptEnd is how an attempt ended, as its worker saw it.
type AttemptEnd struct {
	Result

	// Took is how long the attempt ran, measured by its worker.
	Took time.Duration
}

func (a *Attempt) end(e AttemptEnd) {
	a.EndedAt = a.StartedAt.Add(e.Took)
	a.Class, a.Code, a.Message = e.Class, clipCode(e.Code), clip(e.Message)
}

// interrupt ends the attempt of a worker that was not heard of again, if it has one under way.
// lease is how long, from the start of an attempt, its worker may have held the claim.
//
// A worker begins no attempt once its lease is over by its own clock. But a claim is also taken
// over from a worker that only fell silent, and is alive: it may begin until then, even an
// attempt that is planned for after its backoff.
func (p *Payment) interrupt(lease time.Duration, now time.Time) {
	a := &p.Attempt
	if a.Class != "" || a.StartedAt.IsZero() {
		return
	}
	sent := now
	if end := a.StartedAt.Add(lease); end.After(now) {
		sent = end
	}
	p.Doubt = p.Doubt.With(ClassUnknownUnanswered, sent)
	if a.Begun(now) {
		a.Class = ClassUnknownUnanswered
		a.Message = "interrupted: its worker did not report an end"
	}
}

// clip makes a message fit to be stored and shown: valid UTF-8, with spaces in place of white space and
// U+FFFD in place of other control characters, which databases refuse and terminals obey; cut between
// two characters.
func clip(s string) string {
	s = strings.Map(printable, strings.ToValidUTF8(s, "\uFFFD"))
	if len(s) <= MaxMessageBytes {
		return s
	}
	end := MaxMessageBytes
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end]
}

func printable(r rune) rune {
	switch {
	case unicode.IsSpace(r):
		return ' '
	case unicode.IsControl(r):
		return utf8.RuneError
	}
	return r
}

// Doubt is what attempts with one gateway key left open. It ends with a definite answer.
type Doubt struct {
	// Answered: the gateway answered an attempt without saying whether it charged.
	Answered bool
	// UnansweredAt is the latest time at which a request may have gone out that was
	// never answered. Zero when there is none.
	UnansweredAt time.Time
}

// Any reports whether the money may have been taken.
func (d Doubt) Any() bool { return d.Answered || !d.UnansweredAt.IsZero() }

// Lingers reports whether a request that was never answered may still arrive at the
// gateway at now, and charge: until late has passed since it was sent.
func (d Doubt) Lingers(now time.Time, late time.Duration) bool {
	return !d.UnansweredAt.IsZero() && now.Before(d.UnansweredAt.Add(late))
}

// With returns the doubt after an attempt that ended at now with class c.
func (d Doubt) With(c Class, now time.Time) Doubt {
	switch c {
	case ClassUnknownAnswered, ClassPending, ClassKeyReused:
		d.Answered = true
	case ClassUnknownUnanswered:
		if now.After(d.UnansweredAt) {
			d.UnansweredAt = now
		}
	case ClassApproved, ClassDeclined, ClassRejected, ClassNotCharged:
	}
	return d
}
