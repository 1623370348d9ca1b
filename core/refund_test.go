package core_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/fake"
	"paymentd/core"
	"paymentd/core/payment"
	"paymentd/ports"
)

func refundID(name string) payment.OperationID {
	return payment.OperationID{Kind: payment.KindRefund, Name: name}
}

// refundOf makes a request one for a refund of an amount; empty for what is left.
func refundOf(name, amount string) func(*core.Request) {
	return func(r *core.Request) {
		r.Operation, r.Money, r.Note = refundID(name), payment.Money{}, "broken on arrival"
		if amount != "" {
			r.Money = money(amount, "USD")
		}
	}
}

// refund requests a refund of the order, and returns the reply.
func (r *replica) refund(name, amount string, with ...func(*core.Request)) reply {
	return <-r.startRefund(name, amount, with...)
}

// startRefund sends a request for a refund. The channel is closed without a reply if the worker crashes.
func (r *replica) startRefund(name, amount string, with ...func(*core.Request)) <-chan reply {
	request := core.Request{OrderID: order}
	refundOf(name, amount)(&request)
	for _, set := range with {
		set(&request)
	}
	got := make(chan reply, 1)
	go func() {
		defer close(got)
		defer func() { _ = recover() }()
		began := time.Now()
		a, err := r.Refund(context.Background(), request)
		got <- reply{a, err, time.Since(began)}
	}()
	return got
}

// inPaidWorld runs a test in which the order of 100.00 was charged by a replica, and the gateway follows the script
// from then on.
func inPaidWorld(t *testing.T, test func(*testing.T, *world, *replica), script ...fake.Step) {
	t.Helper()
	inWorld(t, func(t *testing.T, w *world) {
		r := w.replica("replica-1")
		require.Equal(t, payment.StateSucceeded, r.pay().State)
		w.gateway.Script(order, script...)
		test(t, w, r)
	})
}

// storedRefund returns a refund of the order as it is stored.
func (w *world) storedRefund(name string) payment.Payment {
	w.t.Helper()
	p, err := w.payments.FindOperation(w.t.Context(), payment.Ref{OrderID: order, Operation: refundID(name)})
	require.NoError(w.t, err)
	return p
}

// requireRefunded checks how much the gateway has given back and what is reserved, in cents.
func (w *world) requireRefunded(given, reserved int64) {
	w.t.Helper()
	require.Equal(w.t, given, w.gateway.RefundedOf(w.stored().GatewayKey), "given back")
	require.Equal(w.t, reserved, w.stored().RefundReserved, "reserved")
	require.Equal(w.t, 1, w.gateway.Charges(order), "charges")
}

func requireLeft(t *testing.T, err error, left string) {
	t.Helper()
	var refused *payment.OperationRefusedError
	require.ErrorAs(t, err, &refused)
	if left == "" {
		require.True(t, refused.Left.IsZero())
		return
	}
	require.Equal(t, money(left, "USD"), refused.Left)
	require.ErrorContains(t, err, left)
}

func TestRefund_PartsThenTheRest(t *testing.T) {
	inPaidWorld(t, func(t *testing.T, w *world, r *replica) {
		got := r.refund("r-1", "25.00")
		require.NoError(t, got.err)
		require.Equal(t, payment.StateSucceeded, got.State)
		require.Equal(t, "refund-1", got.TransactionID)
		require.Equal(t, refundID("r-1"), got.Operation)
		require.False(t, got.Replayed)
		require.Equal(t, 2, r.calls("Claim", "Settle")-2, "as many statements as a payment")
		w.requireRefunded(2500, 2500)

		a := w.gateway.Attempts()[1]
		require.Equal(t, "broken on arrival", a.Note)
		require.Equal(t, payment.ChargeID{Key: "key-1", Gateway: "fake:", TransactionID: "txn-1"}, a.Of)

		for _, amount := range []string{"25.00", ""} { // a repeat may leave the amount out
			again := r.refund("r-1", amount)
			require.NoError(t, again.err)
			require.True(t, again.Replayed)
			require.Equal(t, "refund-1", again.TransactionID)
		}
		require.ErrorIs(t, r.refund("r-1", "26.00").err, core.ErrMismatch)
		requireLeft(t, r.refund("r-2", "75.01").err, "75.00")
		_, err := w.payments.FindOperation(t.Context(), payment.Ref{OrderID: order, Operation: refundID("r-2")})
		require.ErrorIs(t, err, ports.ErrNotFound, "what is refused is not stored")

		rest := r.refund("r-3", "")
		require.Equal(t, money("75.00", "USD"), rest.Money)
		w.requireRefunded(10000, 10000)
		requireLeft(t, r.refund("r-4", "0.01").err, "")
		requireLeft(t, r.refund("r-4", "").err, "")
		require.True(t, r.refund("r-1", "").Replayed, "also if nothing is left")
		require.True(t, r.pay().Replayed, "the payment itself is answered as before")
	})
}

func TestRefund_UnknownOrder_IsNotFound(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		require.ErrorIs(t, w.replica("replica-1").refund("r-1", "1.00").err, ports.ErrNotFound)
		require.ErrorIs(t, w.replica("replica-2").refund("r-1", "1.00", async).err, ports.ErrNotFound)
	})
}

func TestRefund_OtherKindThanTheMethod_IsRefused(t *testing.T) {
	inPaidWorld(t, func(t *testing.T, w *world, r *replica) {
		require.ErrorContains(t, r.refund("", "1.00").err, "refund_id must not be empty")
		_, err := r.Refund(t.Context(), core.Request{OrderID: order, Money: money("1.00", "USD")})
		require.ErrorContains(t, err, "another kind")
		require.ErrorContains(t, r.pay(refundOf("r-1", "1.00")).err, "another kind")
		w.requireRefunded(0, 0)
	})
}

func TestRefund_TwoAtOnce_NeverMoreThanIsLeft(t *testing.T) {
	inPaidWorld(t, func(t *testing.T, w *world, r *replica) {
		other := w.replica("replica-2")
		first := r.startRefund("r-1", "60.00")
		synctest.Wait() // it is at the gateway
		requireLeft(t, other.refund("r-2", "60.00").err, "40.00")
		require.NoError(t, other.refund("r-2", "40.00").err)
		require.Equal(t, payment.StateSucceeded, (<-first).State)
		w.requireRefunded(10000, 10000)
	}, fake.Slow(5*time.Second, fake.Approve()))
}

func TestRefund_SameIDAtOnce_IsOneRefund(t *testing.T) {
	inPaidWorld(t, func(t *testing.T, w *world, r *replica) {
		other := w.replica("replica-2")
		var all []<-chan reply
		for i := range 20 {
			at := []*replica{r, other}[i%2]
			all = append(all, at.startRefund("r-1", []string{"60.00", ""}[i%3%2]))
		}
		played := 0
		for _, c := range all {
			got := <-c
			if errors.Is(got.err, core.ErrMismatch) { // the one without an amount came first, for all that is left
				continue
			}
			require.NoError(t, got.err)
			if !got.Replayed {
				played++
			}
		}
		require.Equal(t, 1, played)
		require.Len(t, w.gateway.Refunded(), 1)
		require.Equal(t, w.gateway.Refunded()[0].Money, w.storedRefund("r-1").Money)
	}, fake.Slow(2*time.Second, fake.Approve()))
}

func TestRefund_PaymentInDoubt_Waits(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		step fake.Step
		open bool
		why  string
	}{
		"unresolved": {step: fake.Timeout(), open: true},
		"pending":    {step: fake.Pending(), open: true},
		"declined":   {step: fake.Decline("card_declined"), why: "declined"},
		"failed":     {step: fake.Refuse(), why: "failed"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.gateway.OnCharge(func(payment.Charge) fake.Step { return test.step })
				r := w.replica("replica-1")
				require.NoError(t, r.pay().err)
				got := r.refund("r-1", "10.00")
				if test.open {
					require.ErrorIs(t, got.err, payment.ErrChargeOpen)
				} else {
					requireLeft(t, got.err, "")
					require.ErrorContains(t, got.err, test.why)
				}
				require.Empty(t, w.history().Operations)
				w.gateway.OnCharge(func(payment.Charge) fake.Step { return fake.Approve() })
			})
		})
	}
}

func TestRefund_PaymentInFlight_Waits(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		r := w.replica("replica-1")
		paid := r.send()
		require.ErrorIs(t, r.refund("r-1", "10.00").err, payment.ErrChargeOpen)
		require.ErrorIs(t, r.refund("r-1", "10.00", async).err, payment.ErrChargeOpen)
		require.NoError(t, (<-paid).err)
		require.NoError(t, r.refund("r-1", "10.00").err)
	}, fake.Slow(time.Second, fake.Approve()))
}

func TestRefund_AnswerLost_IsFoundByLookup(t *testing.T) {
	inPaidWorld(t, func(t *testing.T, w *world, r *replica) {
		got := r.refund("r-1", "10.00")
		require.NoError(t, got.err)
		require.Equal(t, payment.StateSucceeded, got.State)
		require.Equal(t, "refund-1", got.TransactionID)
		require.Len(t, w.gateway.RefundKeys(order, refundID("r-1")), 1, "the same key for every attempt")
		require.Len(t, w.gateway.Refunded(), 1)
		w.requireRefunded(1000, 1000)
	}, fake.LoseAnswer(), fake.Timeout(), fake.Timeout(), fake.Timeout())
}

func TestRefund_Unresolved_IsSettledByTheQueue(t *testing.T) {
	t.Parallel()
	for _, moved := range []bool{true, false} {
		t.Run(fmt.Sprintf("moved %t", moved), func(t *testing.T) {
			first := fake.Timeout()
			if moved {
				first = fake.LoseAnswer()
			}
			inPaidWorld(t, func(t *testing.T, w *world, r *replica) {
				w.gateway.OnLookUp(func(payment.GatewayKey) fake.Answer { return fake.NoAnswer })
				got := r.refund("r-1", "60.00")
				require.NoError(t, got.err)
				require.Equal(t, payment.StateUnresolved, got.State)
				require.Equal(t, lookupFirst, got.RetryAfter)
				requireLeft(t, r.refund("r-2", "60.00").err, "40.00") // what is in doubt stays reserved
				w.gateway.OnLookUp(func(payment.GatewayKey) fake.Answer { return fake.FromLedger })
				r.queue()
				if moved {
					w.sleepUntil(time.Minute)
					require.Equal(t, payment.StateSucceeded, w.storedRefund("r-1").State)
					w.requireRefunded(6000, 6000)
					return
				}
				for w.storedRefund("r-1").State == payment.StateUnresolved {
					time.Sleep(time.Second)
				}
				require.Equal(t, payment.StateFailed, w.storedRefund("r-1").State)
				require.EqualValues(t, 6000, w.stored().RefundReserved, "one lookup releases nothing")
				requireLeft(t, r.refund("r-2", "60.00").err, "40.00")
				time.Sleep(late + lookupFirst)
				require.False(t, w.storedRefund("r-1").Doubt.Any())
				w.requireRefunded(0, 0)
				require.NoError(t, r.refund("r-2", "60.00").err)
				requireLeft(t, r.refund("r-1", "").err, "40.00") // the repeat would have to reserve again
			}, first, fake.Timeout(), fake.Timeout(), fake.Timeout())
		})
	}
}

func TestRefund_WorkerIsLost_QueueTakesOver(t *testing.T) {
	t.Parallel()
	for i, step := range []fake.Step{fake.Approve(), fake.LoseAnswer(), fake.Refuse()} {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			inPaidWorld(t, func(t *testing.T, w *world, r *replica) {
				r.fault("Settle", 1, fake.CrashBefore(exit))
				r.fault("Renew", 1, fake.CrashAfter(exit))
				_, answered := <-r.startRefund("r-1", "60.00")
				require.False(t, answered, "its worker was lost")
				other := w.replica("replica-2")
				requireLeft(t, other.refund("r-2", "60.00").err, "40.00")
				other.queue()
				got := other.refund("r-1", "60.00", withWait(2*lease))
				require.NoError(t, got.err)
				require.Equal(t, payment.StateSucceeded, got.State)
				require.Len(t, w.gateway.RefundKeys(order, refundID("r-1")), 1)
				w.requireRefunded(6000, 6000)
			}, step)
		})
	}
}

func TestRefund_Async_IsMadeByTheQueue(t *testing.T) {
	inPaidWorld(t, func(t *testing.T, w *world, r *replica) {
		got := r.refund("r-1", "60.00", async)
		require.NoError(t, got.err)
		require.Equal(t, payment.StateScheduled, got.State)
		require.True(t, got.Async)
		w.requireRefunded(0, 6000)
		requireLeft(t, r.refund("r-2", "60.00", async).err, "40.00")
		require.ErrorIs(t, r.refund("r-1", "61.00", async).err, core.ErrMismatch)
		r.queue()
		w.sleepUntil(5 * time.Second)
		require.Equal(t, payment.StateSucceeded, w.storedRefund("r-1").State)
		w.requireRefunded(6000, 6000)
		require.True(t, r.refund("r-1", "", async).Replayed)
	})
}

func TestRefund_Declined_IsRetriedWithNewKeyAndReservation(t *testing.T) {
	inPaidWorld(t, func(t *testing.T, w *world, r *replica) {
		got := r.refund("r-1", "60.00")
		require.NoError(t, got.err)
		require.Equal(t, payment.StateDeclined, got.State)
		require.Equal(t, "insufficient_funds", got.Code)
		w.requireRefunded(0, 0)
		require.NoError(t, r.refund("r-2", "50.00").err)
		requireLeft(t, r.refund("r-1", "60.00").err, "50.00") // the repeat does not fit any more
		require.Equal(t, payment.StateDeclined, w.storedRefund("r-1").State)
		require.True(t, w.gateway.Return(w.storedRefund("r-2").GatewayKey))
		r.queue()
		w.event(t, r, "r-2", payment.FoundReturned)
		time.Sleep(time.Second)
		w.requireRefunded(0, 0)
		again := r.refund("r-1", "")
		require.Equal(t, payment.StateSucceeded, again.State)
		require.Len(t, w.gateway.RefundKeys(order, refundID("r-1")), 2, "a new key after a decline")
		w.requireRefunded(6000, 6000)
	}, fake.Decline("insufficient_funds"))
}

func TestRefund_Failed_IsRetriedWithTheSameKey(t *testing.T) {
	inPaidWorld(t, func(t *testing.T, w *world, r *replica) {
		got := r.refund("r-1", "60.00")
		require.Equal(t, payment.StateFailed, got.State)
		require.Equal(t, payment.CodeRetriesExhausted, got.Code)
		w.requireRefunded(0, 0)
		require.Equal(t, payment.StateSucceeded, r.refund("r-1", "60.00").State)
		require.Len(t, w.gateway.RefundKeys(order, refundID("r-1")), 1)
		w.requireRefunded(6000, 6000)
	}, four(fake.Refuse())...)
}

// event sends an event about a refund to a replica.
func (w *world) event(t *testing.T, r *replica, name string, says payment.LookupResult) core.Notified {
	t.Helper()
	p := w.storedRefund(name)
	got, err := r.Notify(t.Context(), core.GatewayEvent{
		ID: "event", Kind: "refund", Operation: payment.KindRefund, Gateway: "fake:", OrderID: order, Key: p.GatewayKey, Says: says,
	})
	require.NoError(t, err)
	return got
}

func TestRefund_Pending_IsDecidedByEvent(t *testing.T) {
	t.Parallel()
	for decided, step := range map[payment.State]fake.Step{
		payment.StateSucceeded: fake.Approve(), payment.StateDeclined: fake.Decline("account_closed"),
	} {
		t.Run(string(decided), func(t *testing.T) {
			inPaidWorld(t, func(t *testing.T, w *world, r *replica) {
				got := r.refund("r-1", "60.00")
				require.NoError(t, got.err)
				require.Equal(t, payment.StatePending, got.State)
				w.requireRefunded(0, 6000)
				r.queue()
				w.sleepUntil(time.Hour)
				require.Equal(t, payment.StatePending, w.storedRefund("r-1").State)
				require.Equal(t, payment.StatePending, r.refund("r-1", "60.00").State, "a repeat does not send it again")
				require.True(t, w.gateway.Complete(w.storedRefund("r-1").GatewayKey, step))
				require.Equal(t, core.NotifiedDue, w.event(t, r, "r-1", payment.FoundApproved))
				time.Sleep(time.Second)
				require.Equal(t, decided, w.storedRefund("r-1").State)
				if decided == payment.StateSucceeded {
					w.requireRefunded(6000, 6000)
				} else {
					w.requireRefunded(0, 0)
				}
				says := map[payment.State]payment.LookupResult{
					payment.StateSucceeded: payment.FoundApproved, payment.StateDeclined: payment.FoundDeclined,
				}[decided]
				require.Equal(t, core.NotifiedKnown, w.event(t, r, "r-1", says))
			}, fake.Pending())
		})
	}
}

func TestRefund_Returned_IsFinalAndFree(t *testing.T) {
	inPaidWorld(t, func(t *testing.T, w *world, r *replica) {
		require.NoError(t, r.refund("r-1", "60.00").err)
		require.True(t, w.gateway.Return(w.storedRefund("r-1").GatewayKey))
		r.queue()
		time.Sleep(48 * time.Hour)
		w.gateway.OnLookUp(func(payment.GatewayKey) fake.Answer { return fake.NoAnswer })
		require.Equal(t, core.NotifiedDue, w.event(t, r, "r-1", payment.FoundReturned))
		time.Sleep(time.Hour)
		require.Equal(t, payment.StateSucceeded, w.storedRefund("r-1").State, "an event proves nothing")
		w.gateway.OnLookUp(func(payment.GatewayKey) fake.Answer { return fake.FromLedger })
		time.Sleep(time.Hour)
		p := w.storedRefund("r-1")
		require.Equal(t, payment.StateDeclined, p.State)
		require.Equal(t, payment.CodeRefundReturned, p.Code)
		w.requireRefunded(0, 0)
		r.log.requireLine(t, "level=ERROR", "refund returned", "60.00 USD", "refund r-1")
		require.Equal(t, payment.EventReturned, w.history().Operations[0].Events[0].Kind)

		attempts := len(w.gateway.Attempts())
		for _, amount := range []string{"", "60.00"} {
			again := r.refund("r-1", amount)
			require.NoError(t, again.err)
			require.Equal(t, payment.CodeRefundReturned, again.Code)
		}
		require.Equal(t, payment.CodeRefundReturned, r.refund("r-1", "60.00", async).Code)
		require.ErrorIs(t, r.refund("r-1", "50.00").err, core.ErrMismatch)
		require.Len(t, w.gateway.Attempts(), attempts, "a returned refund is not sent again")
		for range 3 {
			require.Equal(t, core.NotifiedKnown, w.event(t, r, "r-1", payment.FoundReturned))
		}
		w.requireRefunded(0, 0)
		require.NoError(t, r.refund("r-2", "100.00").err, "the amount is free for another refund")
		w.requireRefunded(10000, 10000)
	})
}

// An event of a return stays owed while the refund is unresolved: a repeat of the request gets the first answer of the
// gateway, which is older than the return.
func TestRefund_ReturnedWhileUnresolved_IsFoundAfterASuccess(t *testing.T) {
	inPaidWorld(t, func(t *testing.T, w *world, r *replica) {
		r.queue()
		w.gateway.OnLookUp(func(payment.GatewayKey) fake.Answer { return fake.NoAnswer })
		require.Equal(t, payment.StateUnresolved, r.refund("r-1", "60.00").State)
		require.True(t, w.gateway.Return(w.storedRefund("r-1").GatewayKey))
		require.Equal(t, core.NotifiedDue, w.event(t, r, "r-1", payment.FoundReturned))
		require.Equal(t, payment.StateSucceeded, r.refund("r-1", "60.00").State, "the gateway repeats its first answer")
		w.gateway.OnLookUp(func(payment.GatewayKey) fake.Answer { return fake.FromLedger })
		time.Sleep(time.Hour)
		require.Equal(t, payment.CodeRefundReturned, w.storedRefund("r-1").Code)
		w.requireRefunded(0, 0)
		r.log.requireLine(t, "level=ERROR", "refund returned", "refund r-1")
	}, fake.LoseAnswer(), fake.Timeout(), fake.Timeout(), fake.Timeout())
}

// An event may arrive before the answer to the attempt: the lookup waits for the worker.
func TestRefund_EventBeforeTheAnswer(t *testing.T) {
	t.Parallel()
	for _, says := range []payment.LookupResult{payment.FoundApproved, payment.FoundReturned} {
		t.Run(string(says), func(t *testing.T) {
			inPaidWorld(t, func(t *testing.T, w *world, r *replica) {
				r.queue()
				r.fault("Charge", 1, fake.DelayAnswer(5*time.Second))
				got := r.startRefund("r-1", "60.00")
				time.Sleep(time.Second)
				require.Equal(t, core.NotifiedDue, w.event(t, r, "r-1", says))
				if says == payment.FoundReturned {
					require.True(t, w.gateway.Return(w.storedRefund("r-1").GatewayKey))
				}
				time.Sleep(time.Second)
				require.Equal(t, payment.StateProcessing, w.storedRefund("r-1").State)
				require.Equal(t, payment.StateSucceeded, (<-got).State)
				time.Sleep(2 * time.Minute)
				if says == payment.FoundReturned {
					require.Equal(t, payment.CodeRefundReturned, w.storedRefund("r-1").Code)
					w.requireRefunded(0, 0)
					return
				}
				require.Equal(t, payment.StateSucceeded, w.storedRefund("r-1").State)
				w.requireRefunded(6000, 6000)
			})
		})
	}
}

func TestRefund_EventOfUnknownKey_ChangesNothing(t *testing.T) {
	inPaidWorld(t, func(t *testing.T, w *world, r *replica) {
		require.NoError(t, r.refund("r-1", "60.00").err)
		for _, key := range []payment.GatewayKey{"key-1", "key-77"} { // the charge's, and one that was never sent
			got, err := r.Notify(t.Context(), core.GatewayEvent{
				ID: "event", Kind: "refund", Operation: payment.KindRefund, Gateway: "fake:", OrderID: order, Key: key,
				Says: payment.FoundReturned,
			})
			require.NoError(t, err)
			require.Equal(t, core.NotifiedUnknownKey, got)
		}
		w.requireRefunded(6000, 6000)
	})
}

// A worker that was fenced out with an approval records it: the refund is succeeded, once, and reserved once.
func TestRefund_FencedOutWithApproval_IsEvidence(t *testing.T) {
	inPaidWorld(t, func(t *testing.T, w *world, r *replica) {
		r.fault("Settle", 1, fake.Delay(2*lease))
		first := r.startRefund("r-1", "60.00")
		synctest.Wait()
		w.gateway.OnLookUp(func(payment.GatewayKey) fake.Answer { return fake.SaysNothing })
		w.gateway.OnCharge(func(payment.Charge) fake.Step { return fake.Refuse() })
		other := w.replica("replica-2")
		other.queue()
		<-first
		time.Sleep(10 * time.Minute)
		p := w.storedRefund("r-1")
		require.Equal(t, payment.StateSucceeded, p.State)
		require.Equal(t, "refund-1", p.TransactionID)
		w.requireRefunded(6000, 6000)
		w.gateway.OnCharge(func(payment.Charge) fake.Step { return fake.Approve() })
	})
}

// A hundred refunds of 1.00 of a payment of 50.00, on two replicas: fifty succeed.
func TestRefund_HundredAtOnce_FiftySucceed(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		replicas := []*replica{w.replica("replica-1"), w.replica("replica-2")}
		require.NoError(t, replicas[0].pay(withAmount("50.00", "USD")).err)
		w.gateway.OnCharge(func(payment.Charge) fake.Step { return fake.Slow(100*time.Millisecond, fake.Approve()) })
		var all []<-chan reply
		for i := range 100 {
			all = append(all, replicas[i%2].startRefund(fmt.Sprintf("r-%d", i+1), "1.00"))
		}
		succeeded, refused := 0, 0
		for _, c := range all {
			got := <-c
			if got.err == nil {
				require.Equal(t, payment.StateSucceeded, got.State)
				succeeded++
				continue
			}
			requireLeft(t, got.err, "")
			refused++
		}
		require.Equal(t, 50, succeeded)
		require.Equal(t, 50, refused)
		w.requireRefunded(5000, 5000)
		require.Len(t, w.gateway.Refunded(), 50)
		require.Len(t, w.history().Operations, 50)
	})
}
