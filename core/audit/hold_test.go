package audit_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/audit"
	"paymentd/core/payment"
)

// claimHold stores a claim of the order with manual capture.
func (w *world) claimHold(order payment.OrderID, key payment.GatewayKey) payment.Payment {
	w.t.Helper()
	time.Sleep(time.Second)
	p, verdict, err := w.payments.Claim(w.t.Context(), payment.ClaimRequest{
		OrderID: order, Money: w.money("10.00"), Capture: payment.CaptureManual, NewKey: key, Replica: "replica-a",
		Lease: time.Hour, Worker: time.Now(),
		Rules: payment.KeyRules{Capabilities: w.gateway.Capabilities(), Late: late, Timeout: time.Second},
	})
	require.NoError(w.t, err)
	require.Equal(w.t, payment.VerdictClaimed, verdict)
	return *p
}

// authorized stores a payment whose money is held.
func (w *world) authorized(order payment.OrderID, key payment.GatewayKey, transaction string) {
	w.t.Helper()
	w.settle(w.claimHold(order, key), payment.ClassAuthorized, payment.Outcome{State: payment.StateAuthorized, TransactionID: transaction})
}

// voided stores a payment whose money was held and released.
func (w *world) voided(order payment.OrderID, key payment.GatewayKey, transaction string) {
	w.t.Helper()
	w.authorized(order, key, transaction)
	p, err := w.payments.Find(w.t.Context(), order)
	require.NoError(w.t, err)
	now := payment.Instant{DB: time.Now(), Worker: time.Now()}
	_, _, err = w.payments.RecordLookup(w.t.Context(), payment.LookupRecord{
		ClaimRef: p.ClaimRef(), Key: key, Replica: "replica-a", Sent: now, Worker: time.Now(),
		Result: payment.Lookup{Result: payment.FoundVoided}, Rules: payment.KeyRules{Capabilities: w.gateway.Capabilities(), Late: late},
	})
	require.NoError(w.t, err)
}

func (w *world) held(key payment.GatewayKey, transaction string) {
	w.listed("o", key, payment.FoundAuthorized, transaction, nil)
}

func TestRun_Holds_AreCompared(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		store    func(*world)
		want     []found
		inFlight int
	}{
		"held on both sides":          {store: func(w *world) { w.authorized("o", "k", "t"); w.held("k", "t") }},
		"voided on both sides":        {store: func(w *world) { w.voided("o", "k", "t"); w.listed("o", "k", payment.FoundVoided, "", nil) }},
		"the hold ended there":        {store: func(w *world) { w.authorized("o", "k", "t"); w.listed("o", "k", payment.FoundVoided, "", nil) }, inFlight: 1},
		"captured there":              {store: func(w *world) { w.authorized("o", "k", "t"); w.charged("o", "k", "t") }, inFlight: 1},
		"held there, unresolved here": {store: func(w *world) { w.unresolved("o", "k"); w.held("k", "t") }, inFlight: 1},
		"held there, unknown here": {
			store: func(w *world) { w.held("k", "t") },
			want:  []found{{kind: audit.KindUnknown, order: "o", key: "k", transaction: "t", lookup: payment.FoundAuthorized}},
		},
		"held there, succeeded here": {
			store: func(w *world) { w.succeeded("o", "k", "t"); w.held("k", "t") },
			want:  []found{{kind: audit.KindNotCharged, order: "o", key: "k", transaction: "t", lookup: payment.FoundAuthorized}},
		},
		"held there, voided here": {
			store: func(w *world) { w.voided("o", "k", "t"); w.held("k", "t") },
			want:  []found{{kind: audit.KindHeld, order: "o", key: "k", transaction: "t", lookup: payment.FoundAuthorized}},
		},
		"held there, declined here": {
			store: func(w *world) { w.declined("o", "k"); w.held("k", "t") },
			want:  []found{{kind: audit.KindHeld, order: "o", key: "k", transaction: "t", lookup: payment.FoundAuthorized}},
		},
		"captured there, voided here": {
			store: func(w *world) { w.voided("o", "k", "t"); w.charged("o", "k", "t") },
			want:  []found{{kind: audit.KindNotSucceeded, order: "o", key: "k", transaction: "t", lookup: payment.FoundApproved}},
		},
		"held here, absent there": {
			store: func(w *world) { w.authorized("o", "k", "t") },
			want:  []found{{kind: audit.KindNotCharged, order: "o", key: "k", lookup: payment.FoundNothing}},
		},
		"held twice there": {
			store: func(w *world) { w.authorized("o", "k", "t"); w.held("k", "t"); w.held("k-2", "t-2") },
			want:  []found{{kind: audit.KindTwice, order: "o", key: "k-2", transaction: "t-2", lookup: payment.FoundAuthorized}},
		},
		"another amount there": {
			store: func(w *world) {
				w.authorized("o", "k", "t")
				w.listed("o", "k", payment.FoundAuthorized, "t", func(c *payment.LedgerCharge) { c.Money = w.money("11.00") })
			},
			want: []found{{kind: audit.KindAmount, order: "o", key: "k", transaction: "t", lookup: payment.FoundAuthorized}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(w *world) {
				test.store(w)
				r := w.audit()
				require.Equal(t, test.want, summarize(r.Differences))
				require.Equal(t, test.inFlight, r.InFlightCount)
			})
		})
	}
}
