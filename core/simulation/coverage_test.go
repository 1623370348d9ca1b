package simulation

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"paymentd/core/payment"
)

// coverage counts rare situations: a simulation without them shows nothing.
type coverage map[string]int

func (s coverage) add(more coverage) {
	for what, n := range more {
		s[what] += n
	}
}

func (s coverage) String() string {
	var b strings.Builder
	for _, what := range slices.Sorted(maps.Keys(s)) {
		fmt.Fprintf(&b, "%8d  %s\n", s[what], what)
	}
	return b.String()
}

func (a *audit) cover(what string) { a.coverage[what]++ }

func (a *audit) coverSettle(s payment.Settlement, err error) {
	switch {
	case errors.Is(err, payment.ErrFenced):
		a.cover("settlements fenced out")
	case err != nil:
	case s.DeferredRetry:
		a.cover("rounds deferred")
	case s.Outcome.State == payment.StateScheduled:
		a.cover("rounds requeued")
	case s.Outcome.State == payment.StateUnresolved:
		a.cover("rounds that ended unresolved")
	default:
		a.cover("rounds that ended " + string(s.Outcome.State))
	}
}

func (a *audit) coverLookup(r payment.LookupRecord, is payment.Payment, v payment.Verdict) {
	switch {
	case v != payment.VerdictWritten:
		a.cover("lookups recorded as " + string(v))
	case is.State == payment.StateUnresolved && r.State == payment.StateProcessing:
		a.cover("rounds that ended unresolved")
	case is.State != r.State:
		a.cover("lookups that settled as " + string(is.State))
	}
}

// require fails if a situation that the simulation exists for did not occur.
func (s coverage) require(t *testing.T) {
	t.Helper()
	for _, what := range []string{
		"attempts begun while another worker had one in flight",
		"claims taken over from the dead", "claims taken over from the living",
		"answers to clients: busy", "answers to clients: declined", "answers to clients: failed",
		"answers to clients: mismatch", "answers to clients: nothing", "answers to clients: pending",
		"answers to clients: success", "answers to clients: unavailable",
		"lookups that settled as declined", "lookups that settled as failed",
		"lookups that settled as succeeded", "payments quarantined", "rounds requeued",
		"rounds deferred", "rounds that ended unresolved", "settlements fenced out",
		"approvals of workers that were fenced out", "imports", "imports refused",
		"keys closed: absent", "keys closed: declined", "keys closed: person", "keys looked up again",
		"lookups recorded as double", "lookups recorded as evidence", "lookups recorded as replay",
		"operators resolve to failed", "operators resolve to succeeded",
		"payments that went to the next gateway", "keys closed: not_charged", "keys closed: voided",
		"cancellations: voided", "rounds that ended pending", "lookups that settled as unresolved",
		"events of the gateways: written", "events of the gateways: replay",
		"refunds: declined", "refunds: failed", "refunds: pending", "refunds: scheduled", "refunds: succeeded",
		"refunds: unresolved", "refunds: found returned", "lookups recorded as returned", "operators resolve refunds",
		"refunds: refused by the state or the amount", "refunds: the payment is in doubt",
		"refund events of the gateways: written", "refund events of the gateways: replay",
		"answers to refunds: busy", "answers to refunds: mismatch", "answers to refunds: pending", "answers to refunds: success",
		"captures: declined", "captures: failed", "captures: pending", "captures: succeeded", "captures: unresolved",
		"captures: refused by the state or the amount", "captures: the payment is in doubt",
		"voids: declined", "voids: failed", "voids: succeeded", "voids: unresolved",
		"voids: refused by the state or the amount", "voids: the payment is in doubt",
		"voids of pending payments: accepted", "voids of pending payments: cancelled by the queue",
		"voids of pending payments: declined",
		"holds: authorized", "holds: succeeded", "holds: voided", "holds: ended by the bank",
	} {
		if s[what] == 0 {
			t.Errorf("never seen: %s", what)
		}
	}
}
