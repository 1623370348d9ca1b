package core_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/fake"
	"paymentd/core"
	"paymentd/core/payment"
)

// past brings the order into a state, by a replica that is never heard of again.
type past struct {
	name   string
	state  payment.State
	script []fake.Step
	live   func(*replica)
}

func (p past) in(w *world) {
	w.gateway.Script(order, p.script...)
	p.live(w.replica("past"))
	require.Equal(w.t, p.state, w.stored().State)
	require.LessOrEqual(w.t, w.gateway.Charges(order), 1)
}

func ask(r *replica) { r.pay() }

// die starts to charge and is not heard of again; its lease has run out.
func die(r *replica) {
	r.fault("Charge", 1, fake.CrashBefore(exit))
	<-r.send()
	time.Sleep(lease)
}

var (
	succeeded  = past{"succeeded", payment.StateSucceeded, []fake.Step{fake.Approve()}, ask}
	declined   = past{"declined", payment.StateDeclined, []fake.Step{fake.Decline("card_declined")}, ask}
	failed     = past{"failed", payment.StateFailed, four(fake.Refuse()), ask}
	unresolved = past{"unresolved", payment.StateUnresolved, four(fake.Timeout()), ask}
	taken      = past{
		"unresolved, money taken", payment.StateUnresolved,
		append([]fake.Step{fake.ChargeLate(8 * time.Second)}, four(fake.Timeout())[:3]...),
		func(r *replica) { r.pay(); time.Sleep(time.Minute) },
	}
	scheduled = past{"scheduled", payment.StateScheduled, nil, func(r *replica) { r.pay(async) }}
	expired   = past{"processing, claim expired", payment.StateProcessing, nil, die}
)

func four(s fake.Step) []fake.Step { return []fake.Step{s, s, s, s} }

func TestWhatIsKnownOfTheOrder(t *testing.T) {
	t.Parallel()
	nothing := past{name: "nothing"}
	for _, tt := range []struct {
		past     past
		replayed bool
		keys     []payment.GatewayKey // of all attempts
		attempts int                  // at the gateway, of all rounds
		event    payment.EventKind
	}{
		{past: nothing, keys: []payment.GatewayKey{"key-1"}, attempts: 1},
		{past: succeeded, replayed: true, keys: []payment.GatewayKey{"key-1"}, attempts: 1},
		{past: declined, keys: []payment.GatewayKey{"key-1", "key-2"}, attempts: 2},
		{past: failed, keys: []payment.GatewayKey{"key-1"}, attempts: 5},
		{past: unresolved, keys: []payment.GatewayKey{"key-1"}, attempts: 5},
		{past: taken, keys: []payment.GatewayKey{"key-1"}, attempts: 5},
		{past: scheduled, keys: []payment.GatewayKey{"key-1"}, attempts: 1},
		{
			past: expired, keys: []payment.GatewayKey{"key-1"}, attempts: 1, event: payment.EventTakenOver,
		},
	} {
		t.Run(tt.past.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				if tt.past.live != nil {
					tt.past.in(w)
				}
				told := w.replica("a").pay()

				require.NoError(t, told.err)
				require.Equal(t, payment.StateSucceeded, told.State)
				require.Equal(t, "txn-1", told.TransactionID)
				require.Equal(t, tt.replayed, told.Replayed)
				require.Zero(t, told.took, "an answer that needs no wait")
				require.Equal(t, 1, w.gateway.Charges(order))
				require.Equal(t, tt.keys, w.gateway.Keys(order))
				require.Len(t, w.attempts(), tt.attempts)
				if tt.event != "" {
					require.Contains(t, w.events(), tt.event)
				}
			})
		})
	}
}

func TestOtherAmountIsRefused(t *testing.T) {
	t.Parallel()
	for _, p := range []past{succeeded, declined, failed, unresolved, scheduled, expired} {
		for _, other := range []func(*core.Request){amount("100.01", "USD"), amount("100.00", "EUR")} {
			for _, how := range []func(*core.Request){async, waiting(0)} {
				t.Run(p.name, func(t *testing.T) {
					inWorld(t, func(t *testing.T, w *world) {
						p.in(w)
						before := w.stored()
						attempts := len(w.attempts())

						told := w.replica("a").pay(other, how)

						require.ErrorIs(t, told.err, core.ErrMismatch)
						require.Zero(t, told.took)
						require.Len(t, w.attempts(), attempts, "the gateway is not called")
						require.Equal(t, before.State, w.stored().State)
						require.Equal(t, before.Fence, w.stored().Fence)
						require.Contains(t, w.events(), payment.EventRefused)
					})
				})
			}
		}
	}
}

// A request for later never charges by itself, and says what it found.
func TestAcceptedForLater(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		past past
		told payment.State
		kept payment.State
		key  payment.GatewayKey
	}{
		{succeeded, payment.StateSucceeded, payment.StateSucceeded, "key-1"},
		{declined, payment.StateScheduled, payment.StateScheduled, "key-2"},
		{failed, payment.StateScheduled, payment.StateScheduled, "key-1"},
		{unresolved, payment.StateScheduled, payment.StateScheduled, "key-1"},
		{scheduled, payment.StateScheduled, payment.StateScheduled, "key-1"},
		{expired, payment.StateScheduled, payment.StateProcessing, "key-1"},
	} {
		t.Run(tt.past.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				tt.past.in(w)
				attempts := len(w.attempts())

				told := w.replica("a").pay(async)

				require.NoError(t, told.err)
				require.Equal(t, tt.told, told.State)
				require.Equal(t, tt.kept, w.stored().State)
				require.Equal(t, tt.key, w.stored().GatewayKey)
				require.Len(t, w.attempts(), attempts)
				if tt.told == payment.StateScheduled {
					require.True(t, told.Async)
					require.Equal(t, poll, told.RetryAfter)
				} else {
					require.True(t, told.Replayed)
				}
			})
		})
	}
}

func TestBadRequestsReachNothing(t *testing.T) {
	t.Parallel()
	for field, wrong := range map[string]func(*core.Request){
		"order_id": of("two words"),
		"amount":   func(r *core.Request) { r.Money = payment.Money{} },
	} {
		t.Run(field, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				a := w.replica("a")
				told := a.pay(wrong)
				var fieldError *payment.FieldError
				require.ErrorAs(t, told.err, &fieldError)
				require.Equal(t, field, fieldError.Field)
				require.Empty(t, a.wire.Calls())
			})
		})
	}
}
