package audit_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/fake"
	"paymentd/core/audit"
	"paymentd/core/payment"
	"paymentd/ports"
)

// planted are the differences that an audit must find, each with how it is planted. Orders and keys of
// different rows differ, so that all may be planted at once.
var planted = map[string]struct {
	plant func(*world)
	want  []found
}{
	"charged there, unknown here": {
		func(w *world) { w.charged("order-a", "key-a", "txn-a") },
		[]found{{kind: audit.KindUnknown, order: "order-a", key: "key-a", transaction: "txn-a", lookup: payment.FoundApproved}},
	},
	"charged there with two keys, unknown here": {
		func(w *world) { w.charged("order-b", "key-b1", "txn-b1"); w.charged("order-b", "key-b2", "txn-b2") },
		[]found{
			{kind: audit.KindUnknown, order: "order-b", key: "key-b1", transaction: "txn-b1", lookup: payment.FoundApproved},
			{kind: audit.KindTwice, order: "order-b", key: "key-b2", transaction: "txn-b2", lookup: payment.FoundApproved},
		},
	},
	"succeeded here, absent there": {
		func(w *world) { w.succeeded("order-c", "key-c", "txn-c") },
		[]found{{kind: audit.KindNotCharged, order: "order-c", key: "key-c", lookup: payment.FoundNothing}},
	},
	"succeeded here, declined there": {
		func(w *world) {
			w.listed("order-d", "key-d", payment.FoundDeclined, "", nil)
			w.succeeded("order-d", "key-d", "txn-d")
		},
		[]found{{kind: audit.KindNotCharged, order: "order-d", key: "key-d", lookup: payment.FoundDeclined}},
	},
	"another amount": {
		func(w *world) {
			w.listed("order-e", "key-e", payment.FoundApproved, "txn-e", func(c *payment.LedgerCharge) { c.Money = w.money("1000.00") })
			w.succeeded("order-e", "key-e", "txn-e")
		},
		[]found{{kind: audit.KindAmount, order: "order-e", key: "key-e", transaction: "txn-e", lookup: payment.FoundApproved}},
	},
	"another currency": {
		func(w *world) {
			w.listed("order-f", "key-f", payment.FoundApproved, "txn-f", func(c *payment.LedgerCharge) { c.Money = money(w.t, "10.00", "EUR") })
			w.succeeded("order-f", "key-f", "txn-f")
		},
		[]found{{kind: audit.KindCurrency, order: "order-f", key: "key-f", transaction: "txn-f", lookup: payment.FoundApproved}},
	},
	"another transaction": {
		func(w *world) { w.charged("order-g", "key-g", "txn-g1"); w.succeeded("order-g", "key-g", "txn-g2") },
		[]found{{kind: audit.KindTransaction, order: "order-g", key: "key-g", transaction: "txn-g1", lookup: payment.FoundApproved}},
	},
	"charged twice, with two keys": {
		func(w *world) {
			w.charged("order-h", "key-h1", "txn-h1")
			w.declined("order-h", "key-h1")
			w.paid("order-h", "key-h2", "txn-h2")
		},
		[]found{{kind: audit.KindTwice, order: "order-h", key: "key-h1", transaction: "txn-h1", lookup: payment.FoundApproved}},
	},
	"charged twice, with one key": {
		func(w *world) { w.paid("order-i", "key-i", "txn-i1"); w.charged("order-i", "key-i", "txn-i2") },
		[]found{{kind: audit.KindTwice, order: "order-i", key: "key-i", transaction: "txn-i2", lookup: payment.FoundApproved}},
	},
	"one transaction for two orders, both listed": {
		func(w *world) { w.paid("order-j1", "key-j1", "txn-j"); w.paid("order-j2", "key-j2", "txn-j") },
		[]found{{
			kind: audit.KindShared, order: "order-j1", others: "[order-j2]", key: "key-j1", transaction: "txn-j",
			lookup: payment.FoundApproved,
		}},
	},
	"one transaction for two orders, one listed": {
		func(w *world) { w.paid("order-k1", "key-k1", "txn-k"); w.succeeded("order-k2", "key-k2", "txn-k") },
		[]found{{
			kind: audit.KindShared, order: "order-k1", others: "[order-k2]", key: "key-k1", transaction: "txn-k",
			lookup: payment.FoundApproved,
		}},
	},
	"one transaction for two orders, with another amount": {
		func(w *world) {
			w.listed("order-x1", "key-x1", payment.FoundApproved, "txn-x", func(c *payment.LedgerCharge) { c.Money = w.money("1.00") })
			w.succeeded("order-x1", "key-x1", "txn-x")
			w.succeeded("order-x2", "key-x2", "txn-x")
		},
		[]found{
			{
				kind: audit.KindShared, order: "order-x1", others: "[order-x2]", key: "key-x1", transaction: "txn-x",
				lookup: payment.FoundApproved,
			},
			{kind: audit.KindAmount, order: "order-x1", key: "key-x1", transaction: "txn-x", lookup: payment.FoundApproved},
		},
	},
	"charged there, declined here": {
		func(w *world) { w.charged("order-l", "key-l", "txn-l"); w.declined("order-l", "key-l") },
		[]found{{kind: audit.KindNotSucceeded, order: "order-l", key: "key-l", transaction: "txn-l", lookup: payment.FoundApproved}},
	},
	"charged there, failed here": {
		func(w *world) { w.charged("order-m", "key-m", "txn-m"); w.failed("order-m", "key-m") },
		[]found{{kind: audit.KindNotSucceeded, order: "order-m", key: "key-m", transaction: "txn-m", lookup: payment.FoundApproved}},
	},
	"charged there, unresolved here": {
		func(w *world) { w.charged("order-n", "key-n", "txn-n"); w.unresolved("order-n", "key-n") },
		[]found{{kind: audit.KindUnresolvedCharged, order: "order-n", key: "key-n", transaction: "txn-n", lookup: payment.FoundApproved}},
	},
	"declined there, unresolved here": {
		func(w *world) {
			w.listed("order-o", "key-o", payment.FoundDeclined, "", nil)
			w.unresolved("order-o", "key-o")
		},
		[]found{{kind: audit.KindUnresolvedDeclined, order: "order-o", key: "key-o", lookup: payment.FoundDeclined}},
	},
	"pending there, failed here": {
		func(w *world) {
			w.listed("order-p", "key-p", payment.FoundPending, "", nil)
			w.failed("order-p", "key-p")
		},
		[]found{{kind: audit.KindPending, order: "order-p", key: "key-p", lookup: payment.FoundPending}},
	},
	"pending there, succeeded here": {
		func(w *world) {
			w.listed("order-q", "key-q", payment.FoundPending, "", nil)
			w.succeeded("order-q", "key-q", "txn-q")
		},
		[]found{{kind: audit.KindPending, order: "order-q", key: "key-q", lookup: payment.FoundPending}},
	},
	"pending with a key that the order has left": {
		func(w *world) {
			w.listed("order-w", "key-w1", payment.FoundPending, "", nil)
			w.declined("order-w", "key-w1")
			w.unresolved("order-w", "key-w2")
		},
		[]found{{kind: audit.KindPending, order: "order-w", key: "key-w1", lookup: payment.FoundPending}},
	},
	"charged with a key that the order has left": {
		func(w *world) {
			w.charged("order-r", "key-r1", "txn-r")
			w.declined("order-r", "key-r1")
			w.declined("order-r", "key-r2")
		},
		[]found{{kind: audit.KindLeftKey, order: "order-r", key: "key-r1", transaction: "txn-r", lookup: payment.FoundApproved}},
	},
	"charged with a key that the order has left, and charging again": {
		func(w *world) {
			w.charged("order-s", "key-s1", "txn-s")
			w.declined("order-s", "key-s1")
			w.claim("order-s", "key-s2")
		},
		[]found{{kind: audit.KindLeftKey, order: "order-s", key: "key-s1", transaction: "txn-s", lookup: payment.FoundApproved}},
	},
	"voided there, succeeded here": {
		func(w *world) {
			w.listed("order-t", "key-t", payment.FoundVoided, "", nil)
			w.succeeded("order-t", "key-t", "txn-t")
		},
		[]found{{kind: audit.KindVoided, order: "order-t", key: "key-t", lookup: payment.FoundVoided}},
	},
	"charged for another order": {
		func(w *world) { w.charged("order-u2", "key-u", "txn-u"); w.succeeded("order-u1", "key-u", "txn-u") },
		[]found{{
			kind: audit.KindShared, order: "order-u2", others: "[order-u1]", key: "key-u", transaction: "txn-u",
			lookup: payment.FoundApproved,
		}},
	},
	"charged for another order, with another transaction": {
		func(w *world) { w.charged("order-v2", "key-v", "txn-v"); w.succeeded("order-v1", "key-v", "txn-v0") },
		[]found{{
			kind: audit.KindOtherOrder, order: "order-v2", others: "[order-v1]", key: "key-v", transaction: "txn-v",
			lookup: payment.FoundApproved,
		}},
	},
}

func TestRun_Planted_Found(t *testing.T) {
	t.Parallel()
	for name, p := range planted {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(w *world) {
				w.paid("order-1", "key-1", "txn-1")
				p.plant(w)
				w.paid("order-2", "key-2", "txn-2")
				r := w.audit()
				require.ElementsMatch(w.t, p.want, summarize(r.Differences))
				require.False(w.t, r.Agrees())
				require.Empty(w.t, r.InFlight, "a difference is not in flight")
				require.Zero(w.t, r.InFlightCount)
			})
		})
	}
}

// TestRun_AllPlanted_Found plants all differences at once among payments that agree, and compares them in
// pages and in parts of several sizes.
func TestRun_AllPlanted_Found(t *testing.T) {
	t.Parallel()
	const agreeing = 40
	for _, keep := range []int{1 << 20, 30, 10} {
		t.Run(fmt.Sprintf("%d charges at once", keep), func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(w *world) {
				w.gateway.ListPages(7)
				var want []found
				for _, p := range planted {
					p.plant(w)
					want = append(want, p.want...)
				}
				for i := range agreeing {
					w.paid(payment.OrderID(fmt.Sprintf("order-%d", i)), payment.GatewayKey(fmt.Sprintf("key-%d", i)), fmt.Sprintf("txn-%d", i))
				}
				time.Sleep(2 * late)
				r, parts, err := audit.RunKeeping(w.t.Context(), keep, w.gateway.WithList(), w.payments, w.settings())
				require.NoError(w.t, err)
				require.ElementsMatch(w.t, want, summarize(r.Differences))
				require.Equal(w.t, keep < agreeing, parts > 1)
			})
		})
	}
}

func TestRun_NoDifference_Agrees(t *testing.T) {
	t.Parallel()
	for name, plant := range map[string]func(*world){
		"nothing": func(*world) {},
		"payments of all end": func(w *world) {
			w.paid("order-1", "key-1", "txn-1")
			w.declined("order-2", "key-2")
			w.failed("order-3", "key-3")
		},
		"a decline and then a charge": func(w *world) {
			w.listed("order-1", "key-1", payment.FoundDeclined, "", nil)
			w.declined("order-1", "key-1")
			w.paid("order-1", "key-2", "txn-1")
		},
		"a decline that the table does not have": func(w *world) { w.listed("order-1", "key-1", payment.FoundDeclined, "", nil) },
		"a void of a declined payment": func(w *world) {
			w.listed("order-1", "key-1", payment.FoundVoided, "", nil)
			w.declined("order-1", "key-1")
		},
		"a charge that is listed twice": func(w *world) {
			w.paid("order-1", "key-1", "txn-1")
			w.charged("order-1", "key-1", "txn-1")
		},
		"a charge of another program": func(w *world) { w.charged("", "", "txn-1") },
		"a charge that was made long after its payment was created": func(w *world) {
			w.declined("order-1", "key-1")
			time.Sleep(2 * time.Hour)
			w.paid("order-1", "key-2", "txn-1")
		},
		"a person's word about another key": func(w *world) {
			w.charged("order-1", "key-0", "txn-1")
			w.succeeded("order-1", "key-1", "txn-1")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(w *world) {
				plant(w)
				time.Sleep(2 * late)
				s := w.settings()
				s.Progress = func(p audit.Progress) {
					require.NotEqual(w.t, audit.PhaseShared, p.Phase, "the list is read once")
				}
				r := w.auditWith(s)
				require.Empty(w.t, r.Differences)
				require.True(w.t, r.Agrees())
				require.Zero(w.t, r.Lookups, "what agrees is not looked up")
			})
		})
	}
}

// TestRun_InFlight_ListedApart has payments that are not final, in each state.
func TestRun_InFlight_ListedApart(t *testing.T) {
	t.Parallel()
	for name, plant := range map[string]func(*world){
		"charging":              func(w *world) { w.claim("order-1", "key-1") },
		"charging, and charged": func(w *world) { w.claim("order-1", "key-1"); w.charged("order-1", "key-1", "txn-1") },
		"unresolved":            func(w *world) { w.unresolved("order-1", "key-1") },
		"unresolved, and pending": func(w *world) {
			w.listed("order-1", "key-1", payment.FoundPending, "", nil)
			w.unresolved("order-1", "key-1")
		},
		"pending": func(w *world) {
			w.listed("order-1", "key-1", payment.FoundPending, "", nil)
			w.pending("order-1", "key-1")
		},
		"pending, and charged since": func(w *world) {
			w.charged("order-1", "key-1", "txn-1")
			w.pending("order-1", "key-1")
		},
		"charging, and in progress": func(w *world) {
			w.listed("order-1", "key-1", payment.FoundProcessing, "", nil)
			w.claim("order-1", "key-1")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(w *world) {
				plant(w)
				r := w.audit()
				require.Empty(w.t, r.Differences)
				require.True(w.t, r.Agrees())
				require.Len(w.t, r.InFlight, 1)
				require.Equal(w.t, 1, r.InFlightCount)
				require.Equal(w.t, payment.OrderID("order-1"), r.InFlight[0].Payment.OrderID)
			})
		})
	}
}

// TestRun_Period_DecidesByOwnTime has one difference before the period, in it, and after it, on either side.
func TestRun_Period_DecidesByOwnTime(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		plant := func(n int) {
			w.charged(payment.OrderID(fmt.Sprintf("unknown-%d", n)), payment.GatewayKey(fmt.Sprintf("key-u%d", n)), fmt.Sprintf("txn-u%d", n))
			w.succeeded(payment.OrderID(fmt.Sprintf("absent-%d", n)), payment.GatewayKey(fmt.Sprintf("key-a%d", n)), fmt.Sprintf("txn-a%d", n))
			// The charge is listed just outside of the period of its payment, but within the margin.
			w.succeeded(payment.OrderID(fmt.Sprintf("edge-%d", n)), payment.GatewayKey(fmt.Sprintf("key-e%d", n)), fmt.Sprintf("txn-e%d", n))
			time.Sleep(late / 2)
			w.charged(payment.OrderID(fmt.Sprintf("edge-%d", n)), payment.GatewayKey(fmt.Sprintf("key-e%d", n)), fmt.Sprintf("txn-e%d", n))
		}
		plant(1)
		from := time.Now().Add(-late / 4)
		plant(2)
		to := time.Now().Add(-late / 4)
		plant(3)
		time.Sleep(2 * late)
		s := w.settings()
		s.From, s.To = from, to
		r := w.auditWith(s)
		require.ElementsMatch(w.t, []found{
			{kind: audit.KindUnknown, order: "unknown-2", key: "key-u2", transaction: "txn-u2", lookup: payment.FoundApproved},
			{kind: audit.KindNotCharged, order: "absent-2", key: "key-a2", lookup: payment.FoundNothing},
		}, summarize(r.Differences))
		require.Equal(w.t, 2, r.Lookups, "a charge in the margin is not looked up")
		require.Equal(w.t, to, r.To)
	})
}

// TestRun_RecentPeriod_IsCutShort: what is younger than the margin is left for the next audit.
func TestRun_RecentPeriod_IsCutShort(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.gateway.LagLookUps(time.Hour)
		w.charged("order-1", "key-1", "txn-1")
		s := w.settings()
		_, err := audit.Run(w.t.Context(), w.gateway.WithList(), w.payments, s)
		require.ErrorIs(w.t, err, audit.ErrNothingYet)
		w.gateway.LagLookUps(0)
		r := w.auditWith(s)
		require.True(w.t, r.Agrees())
		require.Equal(w.t, time.Now().Add(-late), r.To)
		time.Sleep(late)
		r = w.auditWith(s)
		require.True(w.t, r.Agrees(), "the end is not included")
		time.Sleep(time.Nanosecond)
		require.Len(w.t, w.auditWith(s).Differences, 1)
	})
}

// TestRun_SettledMeanwhile_NoDifference settles each payment between the comparison and the confirmation.
func TestRun_SettledMeanwhile_NoDifference(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		before, after func(*world)
		at            audit.Phase // when after is called; by default, when the payments are read
	}{
		"a payment that is imported": {
			before: func(w *world) { w.charged("order-1", "key-1", "txn-1") },
			after:  func(w *world) { w.succeeded("order-1", "key-1", "txn-1") },
		},
		"a pending charge that is approved": {
			before: func(w *world) {
				w.listed("order-1", "key-1", payment.FoundPending, "txn-1", nil)
				w.failed("order-1", "key-1")
			},
			after: func(w *world) {
				w.gateway.Forget("key-1")
				w.charged("order-1", "key-1", "txn-1")
				_, _, err := w.payments.RecordApproval(w.t.Context(), payment.Approval{OrderID: "order-1", Key: "key-1", TransactionID: "txn-1"})
				require.NoError(w.t, err)
			},
		},
		"a charge that is voided": {
			before: func(w *world) { w.charged("order-1", "key-1", "txn-1") },
			after:  func(w *world) { w.gateway.Forget("key-1"); w.listed("order-1", "key-1", payment.FoundVoided, "", nil) },
		},
		"a transaction of two orders, one of which is voided": {
			before: func(w *world) { w.paid("order-1", "key-1", "txn-1"); w.charged("order-2", "key-2", "txn-1") },
			after:  func(w *world) { w.gateway.Forget("key-2"); w.listed("order-2", "key-2", payment.FoundVoided, "", nil) },
			at:     audit.PhaseShared,
		},
		"a decline and a charge with one key": {
			before: func(w *world) {
				w.listed("order-1", "key-1", payment.FoundDeclined, "", nil)
				w.paid("order-1", "key-1", "txn-1")
			},
			after: func(*world) {},
		},
		"a void and a charge with one key": {
			before: func(w *world) {
				w.listed("order-1", "key-1", payment.FoundVoided, "", nil)
				w.paid("order-1", "key-1", "txn-1")
			},
			after: func(*world) {},
		},
		"a charge that arrives": {
			before: func(w *world) { w.succeeded("order-1", "key-1", "txn-1") },
			after:  func(w *world) { w.charged("order-1", "key-1", "txn-1") },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(w *world) {
				c.before(w)
				time.Sleep(2 * late)
				s := w.settings()
				s.Progress = func(p audit.Progress) {
					if p.Phase == cmp.Or(c.at, audit.PhasePayments) {
						c.after(w)
					}
				}
				r := w.auditWith(s)
				require.Empty(w.t, r.Differences)
				require.Positive(w.t, r.Lookups)
			})
		})
	}
}

func noAnswer(payment.GatewayKey) fake.Answer { return fake.NoAnswer }

// TestRun_LookupProvesNothing_ReportedUnconfirmed: the difference rests on the list.
func TestRun_LookupProvesNothing_ReportedUnconfirmed(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	for name, c := range map[string]struct {
		prepare func(*world)
		lookup  payment.LookupResult
	}{
		"no answer":       {func(w *world) { w.gateway.OnLookUp(noAnswer) }, payment.FoundNoAnswer},
		"a forgotten key": {func(w *world) { w.gateway.ForgetAfter(day); time.Sleep(2 * day) }, payment.FoundNothing},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(w *world) {
				w.charged("order-1", "key-1", "txn-1")
				w.succeeded("order-2", "key-2", "txn-2")
				c.prepare(w)
				require.ElementsMatch(w.t, []found{
					{kind: audit.KindUnknown, order: "order-1", key: "key-1", transaction: "txn-1", lookup: c.lookup, unconfirmed: true},
					{kind: audit.KindNotCharged, order: "order-2", key: "key-2", lookup: c.lookup, unconfirmed: true},
				}, summarize(w.audit().Differences))
			})
		})
	}
}

// TestRun_GatewayComesBack_Confirms: a lookup without an answer is repeated.
func TestRun_GatewayComesBack_Confirms(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.gateway.ScriptLookUps(noAnswer(""), noAnswer(""), noAnswer(""))
		w.charged("order-1", "key-1", "txn-1")
		r := w.audit()
		require.True(w.t, r.Differences[0].Confirmed)
		require.Equal(w.t, 4, r.Lookups)
	})
}

// TestRun_ManyDifferences_LookedUpAtTheRate confirms at most so many a second.
func TestRun_ManyDifferences_LookedUpAtTheRate(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		const n = 101
		for i := range n {
			w.charged(payment.OrderID(fmt.Sprintf("order-%d", i)), payment.GatewayKey(fmt.Sprintf("key-%d", i)), fmt.Sprintf("txn-%d", i))
		}
		time.Sleep(2 * late)
		s := w.settings()
		s.LookupsPerSecond = 10
		start := time.Now()
		r := w.auditWith(s)
		require.Len(w.t, r.Differences, n)
		require.Equal(w.t, 10*time.Second, time.Since(start))
	})
}

// TestRun_OtherGateway_IsNotItsAudit compares the payments of two gateways with one of them.
func TestRun_OtherGateway_IsNotItsAudit(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.succeeded("order-1", "key-1", "txn-1") // at the first gateway, whose list is not read
		w.succeeded("order-2", "key-2", "txn-2")
		w.gateway.Declare(func(c *payment.Capabilities) { c.Gateway = "second:" })
		w.charged("order-2", "key-9", "txn-2") // and again at the second, which gives it the same id
		r := w.audit()
		require.Equal(w.t, []found{
			{kind: audit.KindTwice, order: "order-2", key: "key-9", transaction: "txn-2", lookup: payment.FoundApproved},
		}, summarize(r.Differences))
		require.Equal(w.t, 2, r.ElsewherePayments)
	})
}

// counting counts the pages that are read.
type counting struct {
	audit.Gateway

	pages *atomic.Int64
}

func (c counting) Charges(ctx context.Context, q payment.LedgerQuery) (payment.LedgerPage, error) {
	c.pages.Add(1)
	return c.Gateway.Charges(ctx, q)
}

// TestRun_SharedTransactions_ReadsTheirPages has transactions of two orders on two pages each. The list is not read
// once more, unless its pages have changed meanwhile.
func TestRun_SharedTransactions_ReadsTheirPages(t *testing.T) {
	t.Parallel()
	const n, size = 50, 5
	for name, c := range map[string]struct {
		meanwhile func(*world)
		pages     int64
	}{
		"same pages":  {func(*world) {}, n/size + 4},
		"other pages": {insertBefore, n/size + 4 + n/size + 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(w *world) {
				w.gateway.ListPages(size)
				for i := range n {
					// The orders 0 and 40 have one transaction, as have 10 and 30.
					transaction := map[int]int{40: 0, 30: 10}
					number, shared := transaction[i]
					if !shared {
						number = i
					}
					w.paid(payment.OrderID(fmt.Sprintf("order-%d", i)), payment.GatewayKey(fmt.Sprintf("key-%d", i)), fmt.Sprintf("txn-%d", number))
				}
				time.Sleep(2 * late)
				s := w.settings()
				s.Progress = func(p audit.Progress) {
					if p.Phase == audit.PhasePayments {
						c.meanwhile(w)
					}
				}
				var pages atomic.Int64
				r, err := audit.Run(w.t.Context(), counting{w.gateway.WithList(), &pages}, w.payments, s)
				require.NoError(w.t, err)
				require.Equal(w.t, []found{
					{kind: audit.KindShared, order: "order-0", others: "[order-40]", key: "key-0", transaction: "txn-0", lookup: payment.FoundApproved},
					{kind: audit.KindShared, order: "order-10", others: "[order-30]", key: "key-10", transaction: "txn-10", lookup: payment.FoundApproved},
				}, summarize(r.Differences))
				require.Equal(w.t, c.pages, pages.Load())
			})
		})
	}
}

// insertBefore adds charges before all others, so that the others are on later pages.
func insertBefore(w *world) {
	for i := range 5 {
		w.listed("", payment.GatewayKey(fmt.Sprintf("early-%d", i)), payment.FoundApproved, fmt.Sprintf("early-%d", i),
			func(c *payment.LedgerCharge) { c.Created = w.began.Add(2 * time.Minute) })
	}
}

// TestRun_TooManyCandidates_StopsAndSays reads no more than can be confirmed.
func TestRun_TooManyCandidates_StopsAndSays(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		for i := range audit.MaxCandidates + 1 {
			w.charged(payment.OrderID(fmt.Sprintf("order-%d", i)), payment.GatewayKey(fmt.Sprintf("key-%d", i)), fmt.Sprintf("txn-%d", i))
		}
		w.gateway.ListPages(1000)
		r := w.audit()
		require.True(w.t, r.Truncated)
		require.Len(w.t, r.Differences, audit.MaxCandidates)
		require.False(w.t, r.Agrees())
	})
}

// unsteady is a list whose pages fail at first, and that has an entry that cannot be read.
type unsteady struct {
	audit.Gateway

	failures *int
	failWith error
}

func (u unsteady) Charges(ctx context.Context, q payment.LedgerQuery) (payment.LedgerPage, error) {
	if *u.failures > 0 {
		*u.failures--
		return payment.LedgerPage{}, u.failWith
	}
	page, err := u.Gateway.Charges(ctx, q)
	page.Unreadable = append(page.Unreadable, "entry 3: its amount is not a number")
	return page, err
}

func TestRun_PageFails_RepeatedAFewTimes(t *testing.T) {
	t.Parallel()
	down := errors.New("503")
	for name, c := range map[string]struct {
		failures int
		failWith error
		left     int
		err      error
	}{
		"three times":    {3, down, 0, nil},
		"four times":     {4, down, 0, down},
		"it has no list": {4, ports.ErrNoLedger, 3, ports.ErrNoLedger},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(w *world) {
				w.paid("order-1", "key-1", "txn-1")
				time.Sleep(2 * late)
				r, err := audit.Run(w.t.Context(), unsteady{w.gateway.WithList(), &c.failures, c.failWith}, w.payments, w.settings())
				require.ErrorIs(w.t, err, c.err)
				require.Equal(w.t, c.left, c.failures)
				if c.err == nil {
					require.Equal(w.t, []string{"entry 3: its amount is not a number"}, r.Unreadable)
					require.False(w.t, r.Agrees(), "an entry that cannot be read may be a difference")
				}
			})
		})
	}
}

// damaged is a repository in which the row of an order cannot be read.
type damaged struct {
	audit.Payments

	order payment.OrderID
}

func (d damaged) ListSummaries(ctx context.Context, q ports.SummaryQuery) (ports.SummaryPage, error) {
	page, err := d.Payments.ListSummaries(ctx, q)
	return d.damage(page), err
}

func (d damaged) FindSummaries(ctx context.Context, orders []payment.OrderID) (ports.SummaryPage, error) {
	page, err := d.Payments.FindSummaries(ctx, orders)
	return d.damage(page), err
}

func (d damaged) damage(page ports.SummaryPage) ports.SummaryPage {
	for i, s := range page.Summaries {
		if s.OrderID == d.order {
			page.Summaries = append(page.Summaries[:i:i], page.Summaries[i+1:]...)
			page.Unreadable = append(page.Unreadable, &payment.StoredRowError{
				OrderID: d.order, Table: "payments", Column: "currency", Problem: `has the unknown code "ZZZ"`,
			})
			break
		}
	}
	return page
}

func TestRun_DamagedRow_Reported(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.paid("order-1", "key-1", "txn-1")
		w.paid("order-2", "key-2", "txn-2")
		time.Sleep(2 * late)
		r, err := audit.Run(w.t.Context(), w.gateway.WithList(), damaged{w.payments, "order-1"}, w.settings())
		require.NoError(w.t, err)
		require.Equal(w.t, []found{{kind: audit.KindUnreadable, order: "order-1"}}, summarize(r.Differences))
		require.Contains(w.t, r.Differences[0].Problem, `has the unknown code "ZZZ"`)
	})
}

func TestRun_Canceled_ReturnsError(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.charged("order-1", "key-1", "txn-1")
		time.Sleep(2 * late)
		ctx, cancel := context.WithCancel(w.t.Context())
		s := w.settings()
		s.Progress = func(p audit.Progress) {
			if p.Phase == audit.PhasePayments {
				cancel()
			}
		}
		_, err := audit.Run(ctx, w.gateway.WithList(), w.payments, s)
		require.ErrorIs(w.t, err, context.Canceled)
	})
}

// TestRun_Progress_ReachesTheEnd of each phase, and never goes back within it.
func TestRun_Progress_ReachesTheEnd(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.gateway.ListPages(3)
		for i := range 20 {
			w.charged(payment.OrderID(fmt.Sprintf("order-%d", i)), payment.GatewayKey(fmt.Sprintf("key-%d", i)), fmt.Sprintf("txn-%d", i))
			time.Sleep(time.Second)
		}
		time.Sleep(2 * late)
		latest := make(map[audit.Phase]audit.Progress)
		s := w.settings()
		s.Progress = func(p audit.Progress) {
			require.GreaterOrEqual(w.t, p.Share, latest[p.Phase].Share)
			require.LessOrEqual(w.t, p.Share, 1.0)
			require.GreaterOrEqual(w.t, p.Done, latest[p.Phase].Done)
			latest[p.Phase] = p
		}
		w.auditWith(s)
		require.Equal(w.t, 20, latest[audit.PhaseCharges].Done)
		require.Equal(w.t, audit.Progress{Phase: audit.PhaseConfirm, Done: 20, Share: 1}, latest[audit.PhaseConfirm])
	})
}
