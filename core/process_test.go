package core_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/fake"
	"paymentd/core"
	"paymentd/core/payment"
)

// existing is an order with a stored payment, written by a replica that has exited.
type existing struct {
	name    string
	state   payment.State
	script  []fake.Step
	arrange func(*replica)
}

// in stores the payment in w.
func (e existing) in(w *world) {
	w.gateway.Script(order, e.script...)
	e.arrange(w.replica("previous"))
	require.Equal(w.t, e.state, w.stored().State)
	require.LessOrEqual(w.t, w.gateway.Charges(order), 1)
}

func pay(r *replica) { r.pay() }

// crashInCharge crashes the worker of a charge, and returns when its lease has expired.
func crashInCharge(r *replica) {
	r.fault("Charge", 1, fake.CrashBefore(exit))
	<-r.send()
	time.Sleep(lease)
}

var (
	succeeded   = existing{"succeeded", payment.StateSucceeded, []fake.Step{fake.Approve()}, pay}
	declined    = existing{"declined", payment.StateDeclined, []fake.Step{fake.Decline("card_declined")}, pay}
	failed      = existing{"failed", payment.StateFailed, four(fake.Refuse()), pay}
	unresolved  = existing{"unresolved", payment.StateUnresolved, four(fake.Timeout()), pay}
	chargedLate = existing{
		"unresolved, charged late", payment.StateUnresolved,
		append([]fake.Step{fake.ChargeLate(8 * time.Second)}, four(fake.Timeout())[:3]...),
		func(r *replica) { r.pay(); time.Sleep(time.Minute) },
	}
	scheduled = existing{"scheduled", payment.StateScheduled, nil, func(r *replica) { r.pay(async) }}
	expired   = existing{"processing, claim expired", payment.StateProcessing, nil, crashInCharge}
)

func TestProcess_ExistingOrder_ChargesOnce(t *testing.T) {
	t.Parallel()
	none := existing{name: "none"}
	for _, tt := range []struct {
		existing existing
		replayed bool
		keys     []payment.GatewayKey // of all attempts
		attempts int                  // at the gateway, of all rounds
		event    payment.EventKind
	}{
		{existing: none, keys: []payment.GatewayKey{"key-1"}, attempts: 1},
		{existing: succeeded, replayed: true, keys: []payment.GatewayKey{"key-1"}, attempts: 1},
		{existing: declined, keys: []payment.GatewayKey{"key-1", "key-2"}, attempts: 2},
		{existing: failed, keys: []payment.GatewayKey{"key-1"}, attempts: 5},
		{existing: unresolved, keys: []payment.GatewayKey{"key-1"}, attempts: 5},
		{existing: chargedLate, keys: []payment.GatewayKey{"key-1"}, attempts: 5},
		{existing: scheduled, keys: []payment.GatewayKey{"key-1"}, attempts: 1},
		{
			existing: expired, keys: []payment.GatewayKey{"key-1"}, attempts: 1, event: payment.EventTakenOver,
		},
	} {
		t.Run(tt.existing.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				if tt.existing.arrange != nil {
					tt.existing.in(w)
				}
				got := w.replica("a").pay()

				require.NoError(t, got.err)
				require.Equal(t, payment.StateSucceeded, got.State)
				require.Equal(t, "txn-1", got.TransactionID)
				require.Equal(t, tt.replayed, got.Replayed)
				require.Zero(t, got.took, "answered without a wait")
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

func TestProcess_OtherAmount_IsRefused(t *testing.T) {
	t.Parallel()
	for _, e := range []existing{succeeded, declined, failed, unresolved, scheduled, expired} {
		for _, other := range []func(*core.Request){withAmount("100.01", "USD"), withAmount("100.00", "EUR")} {
			for _, how := range []func(*core.Request){async, withWait(0)} {
				t.Run(e.name, func(t *testing.T) {
					inWorld(t, func(t *testing.T, w *world) {
						e.in(w)
						before := w.stored()
						attempts := len(w.attempts())

						got := w.replica("a").pay(other, how)

						require.ErrorIs(t, got.err, core.ErrMismatch)
						require.Zero(t, got.took)
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

// An async request charges nothing itself, and returns the stored state.
func TestProcess_Async_AcceptsForTheQueue(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		existing existing
		want     payment.State
		stored   payment.State
		key      payment.GatewayKey
	}{
		{succeeded, payment.StateSucceeded, payment.StateSucceeded, "key-1"},
		{declined, payment.StateScheduled, payment.StateScheduled, "key-2"},
		{failed, payment.StateScheduled, payment.StateScheduled, "key-1"},
		{unresolved, payment.StateScheduled, payment.StateScheduled, "key-1"},
		{scheduled, payment.StateScheduled, payment.StateScheduled, "key-1"},
		{expired, payment.StateScheduled, payment.StateProcessing, "key-1"},
	} {
		t.Run(tt.existing.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				tt.existing.in(w)
				attempts := len(w.attempts())

				got := w.replica("a").pay(async)

				require.NoError(t, got.err)
				require.Equal(t, tt.want, got.State)
				require.Equal(t, tt.stored, w.stored().State)
				require.Equal(t, tt.key, w.stored().GatewayKey)
				require.Len(t, w.attempts(), attempts)
				if tt.want == payment.StateScheduled {
					require.True(t, got.Async)
					require.Equal(t, poll, got.RetryAfter)
				} else {
					require.True(t, got.Replayed)
				}
			})
		})
	}
}

func TestProcess_InvalidRequest_MakesNoCall(t *testing.T) {
	t.Parallel()
	for field, invalid := range map[string]func(*core.Request){
		"order_id": forOrder("two words"),
		"amount":   func(r *core.Request) { r.Money = payment.Money{} },
	} {
		t.Run(field, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				a := w.replica("a")
				got := a.pay(invalid)
				var fieldError *payment.FieldError
				require.ErrorAs(t, got.err, &fieldError)
				require.Equal(t, field, fieldError.Field)
				require.Empty(t, a.wire.Calls())
			})
		})
	}
}
