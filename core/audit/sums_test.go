package audit_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/fake"
	"paymentd/core/audit"
	"paymentd/core/payment"
	"paymentd/ports"
)

// operate stores a claim of an operation of the order; an amount that is empty is all.
func (w *world) operate(order payment.OrderID, id payment.OperationID, amount string) payment.Payment {
	w.t.Helper()
	time.Sleep(time.Second)
	ask := payment.ClaimRequest{
		OrderID: order, Operation: id, NewKey: payment.GatewayKey(fmt.Sprintf("%s-of-%s", id, order)), Replica: "replica-a",
		Lease: time.Hour, Worker: time.Now(),
		Rules: payment.KeyRules{Capabilities: w.gateway.Capabilities(), Late: late, Timeout: time.Second},
	}
	if amount != "" {
		ask.Money = w.money(amount)
	}
	p, verdict, err := w.payments.Claim(w.t.Context(), ask)
	require.NoError(w.t, err)
	require.Equal(w.t, payment.VerdictClaimed, verdict)
	return *p
}

func refundID(name string) payment.OperationID {
	return payment.OperationID{Kind: payment.KindRefund, Name: name}
}

// refunded stores a refund that has succeeded.
func (w *world) refunded(order payment.OrderID, name, amount string) {
	w.t.Helper()
	w.settle(w.operate(order, refundID(name), amount), payment.ClassApproved,
		payment.Outcome{State: payment.StateSucceeded, TransactionID: "refund-" + name})
}

// refunding stores a refund of the order o that the gateway decides later.
func (w *world) refunding(name, amount string) {
	w.t.Helper()
	w.settle(w.operate("o", refundID(name), amount), payment.ClassPending, payment.Outcome{State: payment.StatePending, DueIn: time.Hour})
}

// captured stores a payment of the order o whose money was held, and then captured.
func (w *world) captured(amount string) {
	w.t.Helper()
	w.authorized("o", "k", "t")
	w.settle(w.operate("o", payment.OperationID{Kind: payment.KindCapture}, amount), payment.ClassApproved,
		payment.Outcome{State: payment.StateSucceeded, TransactionID: "capture-1"})
}

// sums returns a change of a listed charge to one that took and gave back these cents.
func sums(captured, refunded int64) func(*payment.LedgerCharge) {
	return func(c *payment.LedgerCharge) {
		c.Captured, c.Refunded = payment.ListedSum(captured), payment.ListedSum(refunded)
	}
}

// chargedSums adds a charge to the list that took and gave back these cents.
func (w *world) chargedSums(captured, refunded int64) {
	w.listed("o", "k", payment.FoundApproved, "t", sums(captured, refunded))
}

func differs(kind audit.Kind) []found {
	return []found{{kind: kind, order: "o", key: "k", transaction: "t", lookup: payment.FoundApproved}}
}

func TestRun_Sums_AreCompared(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		store    func(*world)
		want     []found
		inFlight int
	}{
		"refunded on both sides": {store: func(w *world) {
			w.chargedSums(1000, 300)
			w.succeeded("o", "k", "t")
			w.refunded("o", "r-1", "1.00")
			w.refunded("o", "r-2", "2.00")
		}},
		"refunded there, not here": {
			store: func(w *world) { w.chargedSums(1000, 300); w.succeeded("o", "k", "t") },
			want:  differs(audit.KindRefundedThere),
		},
		"refunded there by more than here": {
			store: func(w *world) {
				w.chargedSums(1000, 301)
				w.succeeded("o", "k", "t")
				w.refunded("o", "r-1", "1.00")
				w.refunding("r-2", "2.00")
			},
			want: differs(audit.KindRefundedThere),
		},
		"refunded here, not there": {
			store: func(w *world) { w.chargedSums(1000, 0); w.succeeded("o", "k", "t"); w.refunded("o", "r-1", "3.00") },
			want:  differs(audit.KindRefundedHere),
		},
		"refunded here by more than there": {
			store: func(w *world) {
				w.chargedSums(1000, 299)
				w.succeeded("o", "k", "t")
				w.refunded("o", "r-1", "3.00")
				w.refunding("r-2", "2.00")
			},
			want: differs(audit.KindRefundedHere),
		},
		"a refund is pending here, and made there": {
			store:    func(w *world) { w.chargedSums(1000, 300); w.succeeded("o", "k", "t"); w.refunding("r-1", "3.00") },
			inFlight: 1,
		},
		"a refund is pending here, and not there": {
			store:    func(w *world) { w.chargedSums(1000, 0); w.succeeded("o", "k", "t"); w.refunding("r-1", "3.00") },
			inFlight: 1,
		},
		"a refund is unresolved here, and made there": {
			store: func(w *world) {
				w.chargedSums(1000, 300)
				w.succeeded("o", "k", "t")
				w.settle(w.operate("o", refundID("r-1"), "3.00"), payment.ClassUnknownUnanswered,
					payment.Outcome{State: payment.StateUnresolved, DueIn: time.Hour})
			},
			inFlight: 1,
		},
		"a refund was declined here, and made there": {
			store: func(w *world) {
				w.chargedSums(1000, 300)
				w.succeeded("o", "k", "t")
				w.settle(w.operate("o", refundID("r-1"), "3.00"), payment.ClassDeclined,
					payment.Outcome{State: payment.StateDeclined, Code: "card_declined"})
			},
			want: differs(audit.KindRefundedThere),
		},
		"a refund was declined on both sides": {store: func(w *world) {
			w.chargedSums(1000, 0)
			w.succeeded("o", "k", "t")
			w.settle(w.operate("o", refundID("r-1"), "3.00"), payment.ClassDeclined,
				payment.Outcome{State: payment.StateDeclined, Code: "card_declined"})
		}},
		"a part was captured on both sides": {store: func(w *world) { w.chargedSums(600, 0); w.captured("6.00") }},
		"all was captured on both sides":    {store: func(w *world) { w.chargedSums(1000, 0); w.captured("") }},
		"more was captured there": {
			store: func(w *world) { w.chargedSums(1000, 0); w.captured("6.00") },
			want:  differs(audit.KindCaptured),
		},
		"less was captured there": {
			store: func(w *world) { w.chargedSums(600, 0); w.captured("") },
			want:  differs(audit.KindCaptured),
		},
		"a part was captured, and the list has its amount": {store: func(w *world) {
			w.listed("o", "k", payment.FoundApproved, "t", func(c *payment.LedgerCharge) { c.Money = w.money("6.00"); sums(600, 0)(c) })
			w.captured("6.00")
		}},
		"another part was captured, and the list has its amount": {
			store: func(w *world) {
				w.listed("o", "k", payment.FoundApproved, "t", func(c *payment.LedgerCharge) { c.Money = w.money("5.00"); sums(500, 0)(c) })
				w.captured("6.00")
			},
			want: differs(audit.KindCaptured),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(w *world) {
				test.store(w)
				w.paid("order-1", "key-1", "txn-1")
				r := w.audit()
				require.Equal(t, test.want, summarize(r.Differences))
				require.Equal(t, test.inFlight, r.InFlightCount)
				require.Zero(t, r.WithoutSums)
			})
		})
	}
}

// TestRun_Sums_AreReported with what both sides have.
func TestRun_Sums_AreReported(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.chargedSums(1000, 100)
		w.succeeded("o", "k", "t")
		w.refunded("o", "r-1", "3.00")
		w.refunding("r-2", "2.00")
		d := w.audit().Differences
		require.Len(t, d, 1)
		require.Equal(t, audit.Refunds{Succeeded: 300, Open: 200}, d[0].Refunds)
		require.Equal(t, payment.ListedSum(100), d[0].Charge.Refunded)
	})
}

// TestRun_RecentRefund_IsInFlight: the list may lack what is younger than PAYMENTD_LATE and the lookup lag.
func TestRun_RecentRefund_IsInFlight(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.chargedSums(1000, 0)
		w.succeeded("o", "k", "t")
		time.Sleep(2 * late)
		w.refunded("o", "r-1", "3.00")
		r := w.auditWith(w.settings())
		require.Empty(t, r.Differences)
		require.Equal(t, audit.Refunds{Open: 300}, r.InFlight[0].Refunds)
		require.Equal(t, differs(audit.KindRefundedHere), summarize(w.audit().Differences))
	})
}

// TestRun_RecentCapture_IsInFlight: the list may lag behind the capture.
func TestRun_RecentCapture_IsInFlight(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.chargedSums(1000, 0)
		w.authorized("o", "k", "t")
		time.Sleep(2 * late)
		w.settle(w.operate("o", payment.OperationID{Kind: payment.KindCapture}, "6.00"), payment.ClassApproved,
			payment.Outcome{State: payment.StateSucceeded, TransactionID: "capture-1"})
		r := w.auditWith(w.settings())
		require.Empty(t, r.Differences)
		require.Equal(t, 1, r.InFlightCount)
		require.Equal(t, differs(audit.KindCaptured), summarize(w.audit().Differences))
	})
}

// TestRun_SecondChargesRefund_IsNotThePayments: the refund of a second charge is no refund of the payment's own.
func TestRun_SecondChargesRefund_IsNotThePayments(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.chargedSums(1000, 300)
		w.succeeded("o", "k", "t")
		w.refunded("o", "r-1", "3.00")
		time.Sleep(2 * late)
		second := payment.RefundSummary{
			OrderID: "o", Name: "second-charge-k-2", ChargeKey: "k-2", Money: w.money("10.00"), State: payment.StateSucceeded,
		}
		r, err := audit.Run(w.t.Context(), w.gateway.WithList(), otherRefunds{w.payments, second}, w.settings())
		require.NoError(t, err)
		require.True(t, r.Agrees())
	})
}

// otherRefunds is a repository with a further refund.
type otherRefunds struct {
	*fake.Payments

	further payment.RefundSummary
}

func (o otherRefunds) FindRefunds(ctx context.Context, orders []payment.OrderID) (ports.RefundPage, error) {
	page, err := o.Payments.FindRefunds(ctx, orders)
	page.Refunds = append(page.Refunds, o.further)
	return page, err
}

// TestRun_ListWithoutSums_ComparesNoneAndCounts: a gateway may leave the sums out of its list.
func TestRun_ListWithoutSums_ComparesNoneAndCounts(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.gateway.ListWithoutSums()
		w.paid("order-1", "key-1", "txn-1")
		w.refunded("order-1", "r-1", "3.00")
		w.paid("order-2", "key-2", "txn-2")
		w.listed("order-3", "key-3", payment.FoundDeclined, "", nil)
		r := w.audit()
		require.True(t, r.Agrees())
		require.Equal(t, 2, r.WithoutSums, "a declined charge has no sums")
	})
}

// TestRun_SumsSettledMeanwhile_NoDifference changes either side between the comparison and the confirmation.
func TestRun_SumsSettledMeanwhile_NoDifference(t *testing.T) {
	t.Parallel()
	for name, settle := range map[string]func(*world){
		"the list has the refund": func(w *world) {
			created := w.gateway.Taken()[0].At
			w.gateway.Forget("k")
			w.listed("o", "k", payment.FoundApproved, "t", func(c *payment.LedgerCharge) { sums(1000, 300)(c); c.Created = created })
		},
		"the charge is voided": func(w *world) { w.gateway.Forget("k"); w.listed("o", "k", payment.FoundVoided, "", nil) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(w *world) {
				w.chargedSums(1000, 0)
				w.succeeded("o", "k", "t")
				w.refunded("o", "r-1", "3.00")
				time.Sleep(2 * late)
				s, settled := w.settings(), false
				s.Progress = func(p audit.Progress) {
					if p.Phase == audit.PhasePayments && !settled {
						settled = true
						settle(w)
					}
				}
				for _, d := range w.auditWith(s).Differences {
					require.Equal(t, audit.KindVoided, d.Kind, "only the void is a difference")
				}
				require.True(t, settled)
			})
		})
	}
}

// forgetful is a list that can be read only once.
type forgetful struct {
	audit.Gateway

	read *int
	err  error // of the second reading; without it, the list is empty then
}

func (f forgetful) Charges(ctx context.Context, q payment.LedgerQuery) (payment.LedgerPage, error) {
	if *f.read++; *f.read > 1 {
		return payment.LedgerPage{}, f.err
	}
	return f.Gateway.Charges(ctx, q)
}

// TestRun_SumsNotReadAgain_NotConfirmed: the difference rests on the first reading alone.
func TestRun_SumsNotReadAgain_NotConfirmed(t *testing.T) {
	t.Parallel()
	for name, err := range map[string]error{"the list fails": errors.New("503"), "the list has lost the charge": nil} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(w *world) {
				w.chargedSums(1000, 300)
				w.succeeded("o", "k", "t")
				time.Sleep(2 * late)
				r, err := audit.Run(w.t.Context(), forgetful{w.gateway.WithList(), new(int), err}, w.payments, w.settings())
				require.NoError(t, err)
				want := differs(audit.KindRefundedThere)
				want[0].unconfirmed = true
				require.Equal(t, want, summarize(r.Differences))
			})
		})
	}
}
