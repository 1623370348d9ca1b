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

	// GatewayKey is stored before the gateway is called for the first time, and Gateway with it:
	// the gateway that the key is sent to. Empty in rows of the version before.
	GatewayKey GatewayKey
	Gateway    GatewayID
	// KeySent is the first claim that may have sent the key, zero before it, and KeyLifetime how
	// long the gateway remembers a key, as it was declared then; zero for ever.
	KeySent     Instant
	KeyLifetime time.Duration

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
	// Retries counts the retries that the present round has used, so that the queue goes on with it.
	Retries int
	// Keys are the records of the order's keys that need one. The latest state of each.
	Keys []Key
	// Lookups counts the reconciler's questions since the payment became unresolved.
	Lookups int
	// Strikes counts the claims in a row that ended without a word.
	LostWorkers int
	// Events counts the stored events of the payment's history.
	Events int

	// Async: accepted with respond-async, and nobody has been told that it failed.
	Async bool
	// DeferredRetries counts the rounds after the first that an async payment was given.
	DeferredRetries int

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
func (p Payment) RoundOver() bool { return p.State.Final() || p.State == StateUnresolved }

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

// interrupt ends the attempt of a worker that did not report its end, if it has one under way.
// lease is how long, from the start of an attempt, its worker may have held the claim, and longest
// the longest that it may have held it from now, a backoff included; zero for no limit.
//
// A worker begins no attempt once its lease is over by its own clock. But a claim is also taken
// over from a worker that is alive, and only expired by a clock that stepped forward or by a
// missing heartbeat: it may begin until then, even an attempt that is planned for after its backoff.
func (p *Payment) interrupt(lease, longest time.Duration, now Instant) {
	a := &p.Attempt
	if a.Class != "" || a.StartedAt.IsZero() {
		return
	}
	left := max(0, lease-p.began().Elapsed(now), p.DueAt.Sub(now.DB))
	if p.stepped(now) {
		left = max(left, lease)
	}
	if longest > 0 {
		left = min(left, longest)
	}
	sent := Instant{DB: now.DB.Add(left)}
	if !now.Worker.IsZero() {
		sent.Worker = now.Worker.Add(left)
	}
	p.Doubt = p.Doubt.With(ClassUnknownUnanswered, sent)
	if a.Begun(now.DB) {
		a.Class = ClassUnknownUnanswered
		a.Message = "interrupted: its worker did not report an end"
	}
}

// began is when the attempt at hand began, or begins. The worker's time of it is not stored: it is as far
// from the database's as at the latest moment of which both are.
func (p *Payment) began() Instant {
	began, both := Instant{DB: p.Attempt.StartedAt}, p.bothClocks()
	if !both.IsZero() {
		began.Worker = began.DB.Add(both.Worker.Sub(both.DB))
	}
	return began
}

// bothClocks is the latest moment before the attempt at hand of which the times by both clocks are
// known; zero if there is none.
func (p *Payment) bothClocks() Instant {
	for _, i := range []Instant{p.Doubt.Latest, p.KeySent} {
		if !i.DB.IsZero() && !i.Worker.IsZero() {
			return Instant{DB: i.DB, Worker: i.Worker.Round(0)}
		}
	}
	return Instant{}
}

// stepped reports whether the two clocks have moved against each other since that moment: either may
// have been stepped, also while the claim at hand was held, and what they say of it is worth nothing.
func (p *Payment) stepped(now Instant) bool {
	const tolerance = time.Second
	both := p.bothClocks()
	if both.IsZero() || now.DB.IsZero() || now.Worker.IsZero() {
		return false
	}
	apart := now.Worker.Round(0).Sub(now.DB) - both.Worker.Sub(both.DB)
	return apart.Abs() > tolerance
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
