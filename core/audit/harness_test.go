package audit_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/fake"
	"paymentd/core/audit"
	"paymentd/core/payment"
	"paymentd/internal/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

const late = time.Minute

// world is a database and a gateway, in virtual time.
type world struct {
	t        *testing.T
	began    time.Time
	payments *fake.Payments
	gateway  *fake.Gateway
}

// inWorld runs a test in virtual time, in the middle of an hour.
func inWorld(t *testing.T, test func(*world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, began: time.Now(), payments: fake.NewPayments(), gateway: fake.NewGateway()}
		w.gateway.Declare(func(c *payment.Capabilities) { c.Cancels = true })
		time.Sleep(10 * time.Minute)
		test(w)
	})
}

// settings are those of an audit of everything so far.
func (w *world) settings() audit.Settings {
	return audit.Settings{From: w.began.Add(time.Minute), To: time.Now().Add(time.Hour), Late: late, LookupsPerSecond: 20}
}

// audit runs an audit when everything is old enough.
func (w *world) audit() audit.Report {
	w.t.Helper()
	time.Sleep(2 * late)
	return w.auditWith(w.settings())
}

func (w *world) auditWith(s audit.Settings) audit.Report {
	w.t.Helper()
	r, err := audit.Run(w.t.Context(), w.gateway.WithList(), w.payments, s)
	require.NoError(w.t, err)
	return r
}

func (w *world) money(amount string) payment.Money { return money(w.t, amount, "USD") }

func money(t testing.TB, amount, currency string) payment.Money {
	t.Helper()
	c, err := payment.ParseCurrency(currency)
	require.NoError(t, err)
	m, err := payment.ParseMoney(amount, c)
	require.NoError(t, err)
	return m
}

// claim stores a claim of the order with the key, for 10.00 USD.
func (w *world) claim(order payment.OrderID, key payment.GatewayKey) payment.Payment {
	w.t.Helper()
	time.Sleep(time.Second)
	p, verdict, err := w.payments.Claim(w.t.Context(), payment.ClaimRequest{
		OrderID: order, Money: w.money("10.00"), NewKey: key, Replica: "replica-a", Lease: time.Hour, Worker: time.Now(),
		Rules: payment.KeyRules{Capabilities: w.gateway.Capabilities(), Late: late, Timeout: time.Second},
	})
	require.NoError(w.t, err)
	require.Equal(w.t, payment.VerdictClaimed, verdict)
	return *p
}

// settle ends an attempt with the result, and the payment with the outcome.
func (w *world) settle(p payment.Payment, class payment.Class, o payment.Outcome) {
	w.t.Helper()
	require.NoError(w.t, w.payments.Settle(w.t.Context(), payment.Settlement{
		ClaimRef: p.ClaimRef(), Worker: time.Now(), Outcome: o,
		End: &payment.AttemptEnd{Result: payment.Result{Class: class, TransactionID: o.TransactionID, Code: o.Code}},
	}))
}

// succeeded stores a payment that has succeeded.
func (w *world) succeeded(order payment.OrderID, key payment.GatewayKey, transaction string) {
	w.t.Helper()
	w.settle(w.claim(order, key), payment.ClassApproved, payment.Outcome{State: payment.StateSucceeded, TransactionID: transaction})
}

func (w *world) declined(order payment.OrderID, key payment.GatewayKey) {
	w.t.Helper()
	w.settle(w.claim(order, key), payment.ClassDeclined, payment.Outcome{State: payment.StateDeclined, Code: "card_declined"})
}

func (w *world) failed(order payment.OrderID, key payment.GatewayKey) {
	w.t.Helper()
	w.settle(w.claim(order, key), payment.ClassNotCharged, payment.Outcome{State: payment.StateFailed, Code: payment.CodeRetriesExhausted})
}

func (w *world) unresolved(order payment.OrderID, key payment.GatewayKey) {
	w.t.Helper()
	w.settle(w.claim(order, key), payment.ClassUnknownUnanswered, payment.Outcome{State: payment.StateUnresolved, DueIn: time.Hour})
}

// pending stores a payment that the gateway decides later.
func (w *world) pending(order payment.OrderID, key payment.GatewayKey) {
	w.t.Helper()
	w.settle(w.claim(order, key), payment.ClassPending, payment.Outcome{State: payment.StatePending, DueIn: time.Hour})
}

// listed adds a charge of 10.00 USD to the gateway's list; change may be nil.
func (w *world) listed(
	order payment.OrderID, key payment.GatewayKey, state payment.LookupResult, transaction string,
	change func(*payment.LedgerCharge),
) {
	c := payment.LedgerCharge{
		Key: key, OrderID: order, Money: w.money("10.00"), State: state, TransactionID: transaction, Created: time.Now(),
	}
	if change != nil {
		change(&c)
	}
	w.gateway.Record(c)
}

func (w *world) charged(order payment.OrderID, key payment.GatewayKey, transaction string) {
	w.listed(order, key, payment.FoundApproved, transaction, nil)
}

// paid stores a payment that both sides have.
func (w *world) paid(order payment.OrderID, key payment.GatewayKey, transaction string) {
	w.t.Helper()
	w.charged(order, key, transaction)
	w.succeeded(order, key, transaction)
}

// found is what a test requires of a difference.
type found struct {
	kind        audit.Kind
	order       payment.OrderID
	others      string
	key         payment.GatewayKey
	transaction string // there
	lookup      payment.LookupResult
	unconfirmed bool
}

func summarize(differences []audit.Difference) (all []found) {
	for _, d := range differences {
		f := found{
			kind: d.Kind, order: d.OrderID, key: d.Key, transaction: d.Charge.TransactionID, lookup: d.Lookup,
			unconfirmed: !d.Confirmed && d.Kind != audit.KindUnreadable,
		}
		if len(d.Others) > 0 {
			f.others = fmt.Sprint(d.Others)
		}
		all = append(all, f)
	}
	return all
}
