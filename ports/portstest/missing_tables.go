package portstest

import (
	"maps"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
	"paymentd/ports"
)

// MissingTables checks that no write of an operation or of a hold is made in part if one of its tables is missing:
// the repository is unavailable to the write, and nothing is stored. open returns a new, empty repository, whose
// tables can be renamed.
func MissingTables(t *testing.T, open func(t testing.TB) Stored) {
	t.Helper()
	for name, w := range operationWrites() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, table := range w.tables {
				s := open(t)
				r := &repository{Payments: s.Payments, t: t}
				write := w.prepare(r)
				before := r.history("order-1")
				s.Execute(t, "ALTER TABLE "+table+" RENAME TO renamed")
				err := write()
				s.Execute(t, "ALTER TABLE renamed RENAME TO "+table)
				require.ErrorIs(t, err, ports.ErrUnavailable, table)
				require.NotErrorIs(t, err, ports.ErrInDoubt, table)
				require.Equal(t, before, r.history("order-1"), table)
				require.NoError(t, write(), "with the table %s", table)
			}
		})
	}
}

// operationWrite is a kind of write, and the tables that it needs. prepare returns the write.
type operationWrite struct {
	tables  []string
	prepare func(r *repository) func() error
}

func operationWrites() map[string]operationWrite {
	all := refundWrites()
	maps.Copy(all, holdWrites())
	return all
}

func refundWrites() map[string]operationWrite {
	return map[string]operationWrite{
		"a refund is begun": {[]string{"payments", "operations"}, func(r *repository) func() error {
			r.charged("order-1")
			return r.claims(r.refundRequest("order-1", "r-1", "25"))
		}},
		"a refund is begun by an operator": {[]string{"payments", "operations", "operation_events"}, func(r *repository) func() error {
			r.charged("order-1")
			a := r.refundRequest("order-1", "r-1", "25")
			a.By = "ada"
			return r.claims(a)
		}},
		"a refund is renewed": {[]string{"payments", "operations", "operation_attempts"}, func(r *repository) func() error {
			r.charged("order-1")
			rn := renewal(r.refund("order-1", "r-1", "25"), time.Minute)
			return func() error { return r.Renew(r.t.Context(), rn) }
		}},
		"a refund succeeds": {[]string{"operations"}, func(r *repository) func() error {
			r.charged("order-1")
			return r.settles(r.refund("order-1", "r-1", "25"), payment.StateSucceeded, "")
		}},
		"a refund is declined": {[]string{"payments", "operations"}, func(r *repository) func() error {
			r.charged("order-1")
			return r.settles(r.refund("order-1", "r-1", "25"), payment.StateDeclined, "")
		}},
		"a refund is scheduled": {[]string{"payments", "operations", "operation_events"}, func(r *repository) func() error {
			r.charged("order-1")
			return r.settles(r.refund("order-1", "r-1", "25"), payment.StateScheduled, payment.EventScheduled)
		}},
		"a refund is taken over": {allOperationTables(), func(r *repository) func() error {
			r.refundExpired()
			return r.claims(r.refundRequest("order-1", "r-1", "25"))
		}},
		"a refund is picked up": {allOperationTables(), func(r *repository) func() error {
			r.refundExpired()
			return func() error {
				_, err := r.ClaimDue(r.t.Context(), r.pickUpPolicy(payment.WorkTakeovers), 10)
				return err
			}
		}},
		"a refund is looked up": {[]string{"payments", "operations", "operation_keys"}, func(r *repository) func() error {
			r.charged("order-1")
			return r.records(lookup(r.refundClaimedForLookup("order-1", "r-1", "25"), payment.FoundNothing))
		}},
		"a refund is found": {[]string{"payments", "operations", "operation_keys", "operation_events"}, func(r *repository) func() error {
			r.charged("order-1")
			return r.records(lookup(r.refundClaimedForLookup("order-1", "r-1", "25"), payment.FoundApproved))
		}},
		"a refund is approved": {[]string{"payments", "operations", "operation_events"}, func(r *repository) func() error {
			r.charged("order-1")
			a := approval(r.refund("order-1", "r-1", "25"), "txn-9")
			return func() error { _, _, err := r.RecordApproval(r.t.Context(), a); return err }
		}},
		"an event is about a refund": {[]string{"payments", "operations", "operation_attempts", "operation_keys"}, func(r *repository) func() error {
			r.charged("order-1")
			n := refundNotice("order-1", r.refund("order-1", "r-1", "25").GatewayKey)
			return func() error { _, err := r.Notify(r.t.Context(), n); return err }
		}},
		"a refund is resolved": {[]string{"payments", "operations", "operation_keys", "operation_events"}, func(r *repository) func() error {
			r.charged("order-1")
			resolved := resolution("order-1", notTaken)
			resolved.Operation = r.refundInState(payment.StateUnresolved, "order-1", "r-1", "25").Operation
			return func() error { return r.Resolve(r.t.Context(), resolved) }
		}},
	}
}

func holdWrites() map[string]operationWrite {
	return map[string]operationWrite{
		"a capture is begun": {[]string{"payments", "operations"}, func(r *repository) func() error {
			r.held("order-1")
			return r.claims(r.captureRequest("order-1", "60"))
		}},
		"a capture succeeds": {[]string{"payments", "operations"}, func(r *repository) func() error {
			r.held("order-1")
			return r.settles(r.claim(r.captureRequest("order-1", "60"), payment.VerdictClaimed), payment.StateSucceeded, "")
		}},
		"a void succeeds": {[]string{"payments", "operations"}, func(r *repository) func() error {
			r.held("order-1")
			return r.settles(r.claim(r.voidRequest("order-1"), payment.VerdictClaimed), payment.StateSucceeded, "")
		}},
		"a hold is found to have ended": {[]string{"payments", "events", "gateway_keys"}, func(r *repository) func() error {
			r.held("order-1")
			return r.records(lookup(r.doubtHold("order-1"), payment.FoundVoided))
		}},
	}
}

func allOperationTables() []string {
	return []string{"payments", "operations", "operation_attempts", "operation_events", "operation_keys"}
}

// refundExpired is a refund of order-1 whose claim has expired.
func (r *repository) refundExpired() {
	r.t.Helper()
	r.charged("order-1")
	a := r.refundRequest("order-1", "r-1", "25")
	a.Lease = expiredLease
	r.claim(a, payment.VerdictClaimed)
}

// claims returns the claim of the request.
func (r *repository) claims(a payment.ClaimRequest) func() error {
	return func() error { _, _, err := r.Claim(r.t.Context(), a); return err }
}

// settles returns the settlement of p to the state.
func (r *repository) settles(p payment.Payment, state payment.State, event payment.EventKind) func() error {
	s := settlement(p, resultFor(state), outcomeFor(state))
	s.Event = event
	return func() error { return r.Settle(r.t.Context(), s) }
}

// records returns the record of a lookup.
func (r *repository) records(l payment.LookupRecord) func() error {
	return func() error { _, _, err := r.RecordLookup(r.t.Context(), l); return err }
}
