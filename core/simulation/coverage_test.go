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

// sights counts what is rare, and worth a simulation: where nothing happens, nothing is shown.
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
		a.cover("rounds put off for later")
	case s.Outcome.State == payment.StateScheduled:
		a.cover("rounds handed over")
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

// require fails where something that the simulation is there for did not happen.
func (s coverage) require(t *testing.T) {
	t.Helper()
	for _, what := range []string{
		"attempts begun behind the back of another worker",
		"claims taken over from the dead", "claims taken over from the living",
		"clients were told: busy", "clients were told: declined", "clients were told: failed",
		"clients were told: mismatch", "clients were told: nothing", "clients were told: pending",
		"clients were told: success", "clients were told: unavailable",
		"lookups that settled as declined", "lookups that settled as failed",
		"lookups that settled as succeeded", "payments set aside", "rounds handed over",
		"rounds put off for later", "rounds that ended unresolved", "settlements fenced out",
		"approvals of workers that were fenced out", "imports", "imports refused",
		"keys closed: absent", "keys closed: declined", "keys closed: person", "keys looked up again",
		"lookups recorded as double", "lookups recorded as evidence", "lookups recorded as replay",
		"persons resolve to failed", "persons resolve to succeeded",
	} {
		if s[what] == 0 {
			t.Errorf("never seen: %s", what)
		}
	}
}
