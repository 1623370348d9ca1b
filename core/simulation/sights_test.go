package simulation

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"paymentd/core/payment"
)

// sights counts what is rare, and worth a simulation: where nothing happens, nothing is shown.
type sights map[string]int

func (s sights) add(more sights) {
	for what, n := range more {
		s[what] += n
	}
}

func (s sights) String() string {
	var b strings.Builder
	for _, what := range slices.Sorted(maps.Keys(s)) {
		fmt.Fprintf(&b, "%8d  %s\n", s[what], what)
	}
	return b.String()
}

func (a *audit) saw(what string) { a.sights[what]++ }

func (a *audit) sawSettle(s payment.Settlement, err error) {
	switch {
	case errors.Is(err, payment.ErrFenced):
		a.saw("settlements fenced out")
	case err != nil:
	case s.LaterRetry:
		a.saw("rounds put off for later")
	case s.Outcome.State == payment.StateScheduled:
		a.saw("rounds handed over")
	case s.Outcome.State == payment.StateUnresolved:
		a.saw("rounds that ended unresolved")
	case s.Event == payment.EventReconciled:
		a.saw("lookups that settled as " + string(s.Outcome.State))
	default:
		a.saw("rounds that ended " + string(s.Outcome.State))
	}
}
