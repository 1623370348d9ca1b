package payment

import (
	"slices"
	"time"
)

// Closure says why a gateway key is closed: nothing sent under it can take money any more. Empty
// while it is not.
type Closure string

const (
	// ClosedDeclined: the gateway declined, and no attempt before was unknown, or a lookup says so.
	ClosedDeclined Closure = "declined"
	// ClosedVoided: a lookup says that the charge is cancelled or voided.
	ClosedVoided Closure = "voided"
	// ClosedAbsent: two lookups, at least [KeyRules.Late] apart, found nothing, and both counted.
	ClosedAbsent Closure = "absent"
	// ClosedPerson: a person said so.
	ClosedPerson Closure = "person"
	// ClosedCharged: its charge is on record.
	ClosedCharged Closure = "charged"
)

// Key is what is known of one gateway key of an order. It is stored apart from the payment, only
// for keys that need more than the payment's own row, and outlives rounds.
type Key struct {
	Key      GatewayKey
	Gateway  GatewayID
	Sent     Instant // of the first claim that may have sent it
	Lifetime time.Duration
	// Doubt is that of the key's attempts. For the payment's present key, the payment's counts.
	Doubt Doubt
	// Refusal is a decline or a rejection that came while an earlier attempt was unknown.
	Refusal Refusal
	// Look is when the first lookup was sent that counted and found nothing, and Attempts how
	// many attempts the payment had then: one more, and the proof begins anew.
	Look     Instant
	Attempts int
	Lookups  int
	// DueAt is the next lookup of a key that the payment's own due time does not serve.
	DueAt    time.Time
	Closed   Closure
	ClosedAt time.Time
	// WatchUntil is how long lookups go on after a person's word.
	WatchUntil time.Time
	// TransactionID is of a charge that was found and is not the payment's: a double.
	TransactionID string
}

// Refusal is the answer of a gateway that did not charge at the attempt that it answered.
type Refusal struct {
	Class   Class // ClassDeclined, ClassRejected, or empty
	Code    string
	Message string
}

// key returns what is known of the payment's present key, the stored part included.
func (p *Payment) key() Key {
	k, _ := p.findKey(p.GatewayKey)
	k.Key, k.Gateway = p.GatewayKey, p.Gateway
	k.Sent, k.Lifetime, k.Doubt = p.KeySent, p.KeyLifetime, p.Doubt
	return k
}

// refusedKey returns the record of the present key with the decline or the rejection that the latest
// attempt got while another left a doubt, if its worker was lost before it could conclude the round:
// only a closed key ends the payment then. Nil if there is none.
func (p *Payment) refusedKey() *Key {
	a := p.Attempt
	refusal := Result{Class: a.Class, Code: a.Code, Message: a.Message}.refusal()
	if refusal.Class == "" || a.GatewayKey != p.GatewayKey || !p.Doubt.Any() {
		return nil
	}
	k := p.key()
	if k.Refusal.Class != "" {
		return nil // it is on record
	}
	k.Refusal = refusal
	return &k
}

// findKey returns the stored record of a key.
func (p *Payment) findKey(key GatewayKey) (Key, bool) {
	i := slices.IndexFunc(p.Keys, func(k Key) bool { return k.Key == key })
	if i < 0 {
		return Key{Key: key}, false
	}
	return p.Keys[i], true
}

// keepKey puts a record among those of the payment, in the place of the one before.
func (d *Decision) keepKey(k Key) {
	i := slices.IndexFunc(d.Payment.Keys, func(old Key) bool { return old.Key == k.Key })
	d.Payment.Keys = slices.Clone(d.Payment.Keys)
	if i < 0 {
		d.Payment.Keys = append(d.Payment.Keys, k)
	} else {
		d.Payment.Keys[i] = k
	}
	j := slices.IndexFunc(d.Keys, func(old Key) bool { return old.Key == k.Key })
	if j < 0 {
		d.Keys = append(d.Keys, k)
	} else {
		d.Keys[j] = k
	}
}

// reopen is for a claim that may send under the key again: what closed it, the lookups before and
// a person's word no longer count. Lookups that a person's word left behind go on.
func (d *Decision) reopen(key GatewayKey) {
	k, stored := d.Payment.findKey(key)
	if !stored || k.Closed == "" && k.Look.IsZero() && k.DueAt.IsZero() {
		return
	}
	if k.Closed != "" {
		k.Refusal = Refusal{} // of attempts that the closure has covered
	}
	k.Closed, k.ClosedAt, k.Look, k.Attempts = "", time.Time{}, Instant{}, 0
	if k.WatchUntil.IsZero() {
		k.DueAt = time.Time{}
	}
	d.keepKey(k)
}

// keyChoice is with which key a payment goes on.
type keyChoice int

const (
	keyKept    keyChoice = iota // the present key may be sent
	keyMinted                   // the present key is closed and of no more use: a new one
	keyLooked                   // the present key may not be sent again: it is only looked up
	keyForeign                  // the present key is another gateway's, and not closed
)

// chooseKey decides with which key the payment may go on at now, when no claim is alive.
func (p *Payment) chooseKey(r KeyRules, now Instant) keyChoice {
	foreign := p.Gateway != "" && p.Gateway != r.Gateway
	expired := r.Expired(p.KeySent, p.KeyLifetime, now)
	stored, _ := p.findKey(p.GatewayKey)
	switch {
	case p.State == StateDeclined && !p.Doubt.Any():
		return keyMinted
	case p.KeySent.IsZero() && !p.Doubt.Any():
		return keyKept
	case !p.Doubt.Any() && (foreign || expired || r.SavesErrors || stored.Closed == ClosedVoided):
		return keyMinted
	case !p.Doubt.Any():
		return keyKept
	case foreign:
		return keyForeign
	case expired || !r.HonoursKeys || p.State == StateDeclined:
		return keyLooked
	}
	return keyKept
}

// Foreign reports whether the payment has a key of another gateway than the configured one that is
// not closed: it is neither sent nor looked up.
func (p *Payment) Foreign(gateway GatewayID) bool {
	if p.Gateway == "" || p.Gateway == gateway || p.State == StateSucceeded {
		return false
	}
	return p.State == StateProcessing || p.Doubt.Any()
}

// SentUnrecorded reports whether the present key was sent although the row says that it was not: the
// version before sends keys that this version has made, and does not record it.
func (p Payment) SentUnrecorded() bool {
	begun := p.Attempt.GatewayKey == p.GatewayKey && !p.Attempt.StartedAt.IsZero()
	return p.KeySent.IsZero() && p.State != StateSucceeded && (begun || p.Doubt.Any())
}

// Upgraded returns a payment as its row says it that a program before gateway keys were
// recorded has written: the key was sent when the payment was created at the earliest, and a failure that
// rests on a single lookup is not proven. A payment that is unresolved is in doubt.
func (p Payment) Upgraded() Payment {
	if p.Attempts() > 0 {
		p.KeySent = Instant{DB: p.CreatedAt}
	}
	unproven := p.State == StateFailed && p.Reason == (Refusal{}).outcome().Reason
	if unproven || p.State == StateUnresolved && !p.Doubt.Any() {
		p.Doubt.Answered = true
	}
	return p
}

// repairClocks replaces what lies in the future of a clock that has stepped back.
func (k *Key) repairClocks(r KeyRules, now Instant) {
	k.Sent, k.Look = k.Sent.Clamp(now, 0), k.Look.Clamp(now, 0)
	k.Doubt = k.Doubt.clamp(now, r.skew())
}
