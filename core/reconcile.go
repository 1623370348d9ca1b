package core

import (
	"context"
	"errors"
	"time"

	"paymentd/core/payment"
)

// reconcile looks up a pending or unresolved payment at its gateway, or asks the gateway to cancel it, and
// records the answer. It never charges. It returns the payment as stored then.
func (s *Service) reconcile(ctx context.Context, c *claim, cancel bool) (*payment.Payment, error) {
	p, err := s.settle(ctx, c, completion{lookup: s.lookUp(ctx, c, payment.Result{}, cancel)})
	switch {
	case errors.Is(err, payment.ErrFenced):
		return p, err // the payment has changed since it was claimed
	case err != nil:
		s.logLookupNotRecorded(ctx, c.payment, c.payment.GatewayKey, err)
	case p.State == payment.StateUnresolved:
		s.logStillUnresolved(p)
	default:
		s.voidHeld(ctx, p)
	}
	return p, err
}

// reconcileKey looks up a key that the payment does not wait for: a second lookup to close the key,
// or the lookups after a person resolved the payment.
func (s *Service) reconcileKey(ctx context.Context, p *payment.Payment, key payment.GatewayKey, claimed time.Time) {
	r := s.lookUpKey(ctx, p, key, s.newClaim(p, claimed).now(), false)
	after, _, err := s.recordLookup(ctx, *r, time.Now())
	switch {
	case errors.Is(err, payment.ErrFenced): // the payment has changed since it was read; the key is due again
	case err != nil:
		s.logLookupNotRecorded(ctx, p, key, err)
	default:
		s.logKeyLookedUp(after, r)
	}
}

// lookUp asks the gateway for the payment's key after a round, or after an interval, or to cancel its charge.
func (s *Service) lookUp(ctx context.Context, c *claim, last payment.Result, cancel bool) *payment.LookupRecord {
	r := s.lookUpKey(ctx, c.payment, c.payment.GatewayKey, c.now(), cancel)
	r.Last, r.DeferIn, r.End = last, s.deferral(c.payment), c.unrecorded()
	return r
}

// lookUpKey asks the gateway for a key of a payment. The answer counts as of now, when the question
// is sent, because an attempt may arrive before the answer does.
func (s *Service) lookUpKey(
	ctx context.Context, p *payment.Payment, key payment.GatewayKey, now payment.Instant, cancel bool,
) *payment.LookupRecord {
	sent := payment.Instant{DB: micros(now.DB), Worker: micros(now.Worker)}
	id := p.GatewayOf(key)
	rules, _ := s.rules().At(id)
	found := payment.Lookup{Result: payment.FoundNoAnswer, Message: "the gateway " + string(id) + " is not configured"}
	if g, configured := s.gateways.at(id); configured {
		ask := g.LookUp
		if cancel {
			ask = g.Cancel
		}
		began := time.Now()
		found = ask(ctx, p.ChargeRef(key)).Sanitized().For(p.Operation)
		s.noteLookup(id, found, began)
	}
	return &payment.LookupRecord{
		ClaimRef: p.ClaimRef(), Key: key, Replica: s.Replica, Rules: rules,
		Sent: sent, Worker: time.Now(), Result: found,
	}
}

// micros truncates a time to the precision that repositories store.
func micros(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// recordLookup writes the answer to a lookup, and reports an unexpected charge. The write began at
// began.
func (s *Service) recordLookup(
	ctx context.Context, r payment.LookupRecord, began time.Time,
) (*payment.Payment, payment.Verdict, error) {
	p, verdict, err := s.payments.RecordLookup(ctx, r)
	if err != nil {
		return nil, "", err
	}
	found := payment.ChargeID{Key: r.Key, Gateway: r.Rules.Gateway, TransactionID: r.Result.TransactionID}
	s.reportApproval(&p, found, verdict, began)
	return &p, verdict, nil
}

// replaceMethod has the pending charge of the earlier payment method cancelled, and continues with the
// request's own once that is proven.
func (s *Service) replaceMethod(ctx context.Context, r Request, c *claim) (result, error) {
	p, err := s.reconcile(context.WithoutCancel(ctx), c, true)
	switch {
	case errors.Is(err, payment.ErrFenced):
		return result{}, errHeld
	case err != nil:
		return result{}, inDoubt(err)
	case p.State == payment.StatePending || p.State == payment.StateUnresolved:
		return result{}, ErrKeyOpen
	}
	return s.process(ctx, r) // cancelled: a new round; or charged after all: a replay
}
