package payment

import (
	"slices"
	"time"
)

// Closure is why a gateway key is closed: no attempt that was sent with it can take money any more.
// Empty while it is not closed.
type Closure string

const (
	// ClosedDeclined: the gateway declined, and no earlier attempt was unknown, or a lookup found the
	// decline.
	ClosedDeclined Closure = "declined"
	// ClosedVoided: a lookup found that the charge is cancelled or voided.
	ClosedVoided Closure = "voided"
	// ClosedAbsent: two lookups, at least [KeyRules.Late] apart, found nothing, and both counted.
	ClosedAbsent Closure = "absent"
	// ClosedPerson: an operator resolved that the money was not taken.
	ClosedPerson Closure = "person"
	// ClosedCharged: its charge is recorded.
	ClosedCharged Closure = "charged"
	// ClosedNotCharged: each attempt was provably not charged, and the payment went to another gateway.
	ClosedNotCharged Closure = "not_charged"
)

func (c Closure) valid() bool {
	switch c {
	case "", ClosedDeclined, ClosedVoided, ClosedAbsent, ClosedPerson, ClosedCharged, ClosedNotCharged:
		return true
	}
	return false
}

// Key is what is known of one gateway key of an order. It is a row of its own, which outlives rounds,
// and exists only for keys that need more than the payment's row.
type Key struct {
	Key      GatewayKey
	Gateway  GatewayID
	Sent     Instant // of the first claim that may have sent it
	Lifetime time.Duration
	// Method and ReturnURL are sent with the key.
	Method    PaymentMethod
	ReturnURL string
	// Reference is the gateway's own id of the charge, and RedirectURL where the customer must act.
	// Both are empty unless an answer has named them.
	Reference   string
	RedirectURL string
	// Doubt is that of the key's attempts. For the payment's current key, the payment's counts.
	Doubt Doubt
	// Refusal is a decline or a rejection that came while an earlier attempt was unknown.
	Refusal Refusal
	// Look is when the first lookup that counted and found nothing was sent, and Attempts how many
	// attempts the payment had then. After another attempt, the proof begins anew.
	Look     Instant
	Attempts int
	Lookups  int
	// DueAt is the next lookup of a key that the payment's own due time does not cover.
	DueAt    time.Time
	Closed   Closure
	ClosedAt time.Time
	// WatchUntil is how long lookups go on after an operator resolved the payment.
	WatchUntil time.Time
	// TransactionID is that of a second charge, which is not the payment's.
	TransactionID string
}

// Refusal is a gateway's answer that an attempt did not charge.
type Refusal struct {
	Class   Class // ClassDeclined, ClassRejected, or empty
	Code    string
	Message string
}

// key returns what is known of the payment's current key, including the stored record.
func (p *Payment) key() Key {
	k, _ := p.findKey(p.GatewayKey)
	k.Key, k.Gateway = p.GatewayKey, p.Gateway
	k.Sent, k.Lifetime, k.Doubt = p.KeySent, p.KeyLifetime, p.Doubt
	k.Method, k.ReturnURL = p.Method, p.ReturnURL
	return k
}

// refusedKey returns the record of the current key with the decline or rejection of the latest attempt,
// if the key is in doubt and the worker was lost before it could conclude the round. The refusal
// becomes the outcome only when the key is closed. Nil if there is none.
func (p *Payment) refusedKey() *Key {
	a := p.Attempt
	refusal := Result{Class: a.Class, Code: a.Code, Message: a.Message}.refusal()
	if refusal.Class == "" || a.GatewayKey != p.GatewayKey || !p.Doubt.Any() {
		return nil
	}
	k := p.key()
	if k.Refusal.Class != "" {
		return nil // recorded already
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

// storeKey adds a record to the decision, in place of an earlier one of the same key.
func (d *Decision) storeKey(k Key) {
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

// reopenKey undoes the closure of a key for a claim that may send it again: the closure and the earlier
// lookups no longer count. Lookups that follow an operator's resolution go on.
func (d *Decision) reopenKey(key GatewayKey) {
	k, stored := d.Payment.findKey(key)
	if !stored || k.Closed == "" && k.Look.IsZero() && k.DueAt.IsZero() {
		return
	}
	if k.Closed != "" {
		k.Refusal = Refusal{} // of attempts that the closure covered
	}
	k.Closed, k.ClosedAt, k.Look, k.Attempts = "", time.Time{}, Instant{}, 0
	if k.WatchUntil.IsZero() {
		k.DueAt = time.Time{}
	}
	d.storeKey(k)
}

// endLookups is for a key whose charge is recorded.
func (k *Key) endLookups(of OperationID, now Instant) {
	if k.watched(of, now) {
		k.DueAt = now.DB.Add(watchDelay)
		return
	}
	k.DueAt, k.WatchUntil = time.Time{}, time.Time{}
}

// watched reports whether lookups of the key go on after its operation has succeeded. Those of a refund do: the
// gateway has reported that its money came back, or a person has resolved it.
func (k *Key) watched(of OperationID, now Instant) bool {
	return !of.IsCharge() && now.DB.Before(k.WatchUntil)
}

func (k *Key) close(why Closure, now Instant) {
	if k.Closed == "" {
		k.Closed, k.ClosedAt = why, now.DB
	}
}

// resetProof is for a lookup that found a charge: no earlier proof of its absence counts.
func (k *Key) resetProof() {
	k.Look, k.Attempts = Instant{}, 0
	k.Closed, k.ClosedAt = "", time.Time{}
}

// clampFutureTimes replaces moments that lie in the future of a clock that has stepped back.
func (k *Key) clampFutureTimes(r KeyRules, now Instant) {
	k.Sent, k.Look = k.Sent.Clamp(now, 0), k.Look.Clamp(now, 0)
	k.Doubt = k.Doubt.clamp(now, r.maxSkew())
}

// keyChoice is the key with which a payment is claimed.
type keyChoice int

const (
	keyKept       keyChoice = iota // the current key may be sent
	keyReplaced                    // the current key is closed and cannot be used again: a new one
	keyLookUpOnly                  // the current key may not be sent again: it is only looked up
	keyForeign                     // the current key is that of a gateway that is not configured, and not closed
	keyMoved                       // the current key is closed, and the payment goes to another gateway
)

// methodFor returns the payment method of the next attempt. A request may replace the stored one only
// after an outcome.
func (p *Payment) methodFor(requested PaymentMethod) PaymentMethod {
	if p.State.Final() && requested != "" {
		return requested
	}
	return p.Method
}

// chooseKey decides with which key the payment may be claimed at now, if no claim is live, and which
// gateway gets it. Only a closed key lets the payment go to another gateway.
func (p *Payment) chooseKey(r KeyRules, method PaymentMethod, now Instant) (keyChoice, GatewayID) {
	own, configured := r.At(p.Gateway)
	if p.Doubt.Any() {
		return p.chooseOpenKey(own, configured, method, now), own.Gateway
	}
	target := p.nextTarget(r, method)
	moved := p.Gateway != "" && target != p.Gateway
	stored, _ := p.findKey(p.GatewayKey)
	switch {
	case target == "":
		return keyForeign, ""
	case p.State == StateDeclined:
		return keyReplaced, target
	case p.KeySent.IsZero():
		return keyKept, target
	case moved:
		return keyMoved, target
	case own.Expired(p.KeySent, p.KeyLifetime, now), own.KeyUsedUp(), stored.Closed == ClosedVoided, method != p.Method:
		return keyReplaced, target
	}
	return keyKept, target
}

// chooseOpenKey decides about a key in doubt.
func (p *Payment) chooseOpenKey(own KeyRules, configured bool, method PaymentMethod, now Instant) keyChoice {
	switch {
	case !configured:
		return keyForeign
	case own.Expired(p.KeySent, p.KeyLifetime, now), !own.HonoursKeys(), p.State == StateDeclined, method != p.Method:
		return keyLookUpOnly
	}
	return keyKept
}

// replaceKey gives the payment a new key for a payment method. The key was not sent yet and, if it is a
// charge's, belongs to no gateway yet.
func (p *Payment) replaceKey(key GatewayKey, method PaymentMethod) {
	p.GatewayKey, p.Gateway = key, p.Of.Gateway
	p.KeySent, p.KeyLifetime, p.Doubt = Instant{}, 0, Doubt{}
	p.Method, p.ReturnURL = method, ""
}

// nameCharge records what a result says of the charge with the current key, unless it is approved, whose
// transaction id says it.
func (d *Decision) nameCharge(r Result) {
	if !r.namesCharge() {
		return
	}
	k := d.Payment.key()
	k.nameCharge(r.Reference, r.RedirectURL)
	d.storeKey(k)
}

// namesCharge reports whether the answer says something of the charge that is stored with the key.
func (r Result) namesCharge() bool {
	return r.Class != ClassApproved && (r.Reference != "" || r.RedirectURL != "")
}

// nameCharge records what an answer says of the charge with the key.
func (k *Key) nameCharge(reference, redirectURL string) {
	if validReference(reference) {
		k.Reference = reference
	}
	k.RedirectURL = redirectURL
}

// Foreign reports whether the payment's key belongs to a gateway that is not configured and is not closed.
// Such a key is neither sent nor looked up. An operation other than a charge never changes its gateway, so that
// it is foreign whether its key is closed or not.
func (p *Payment) Foreign(r KeyRules) bool {
	_, configured := r.At(p.Gateway)
	return !configured && (p.mayCharge() || !p.Operation.IsCharge() || p.State == StateAuthorized)
}

// OtherOpenKey returns the payment's current key, and whether a charge with the given key could be a
// second one: the current key is another one, and it is in flight or in doubt.
func (p *Payment) OtherOpenKey(key GatewayKey) (GatewayKey, bool) {
	return p.GatewayKey, p.GatewayKey != key && p.mayCharge()
}

// mayCharge reports whether attempts with the current key may take money that is not recorded.
func (p *Payment) mayCharge() bool {
	return p.State == StateProcessing || !p.State.Approved() && p.Doubt.Any()
}

// SentUnrecorded reports whether the current key was sent although the row says that it was not. The
// previous version sends keys that this version has made, and does not record it.
func (p Payment) SentUnrecorded() bool {
	begun := p.Attempt.GatewayKey == p.GatewayKey && !p.Attempt.StartedAt.IsZero()
	return p.KeySent.IsZero() && !p.State.Approved() && (begun || p.Doubt.Any())
}

// Upgraded returns the payment of a row that a version before gateway keys were recorded has written.
// Its key was sent when the payment was created at the earliest. A failure that rests on a single
// lookup is not proven, and an unresolved payment is in doubt.
func (p Payment) Upgraded() Payment {
	if p.Attempts() > 0 {
		p.KeySent = Instant{DB: p.CreatedAt}
	}
	unproven := p.State == StateFailed && p.Reason == reasonAbsent
	if unproven || p.State == StateUnresolved && !p.Doubt.Any() {
		p.Doubt.Answered = true
	}
	return p
}
