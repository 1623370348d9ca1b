package portstest

import (
	"fmt"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
	"paymentd/ports"
)

// historyOf reads all that is stored of a payment or another operation.
func (l *randomLife) historyOf(ref payment.Ref) ports.History {
	l.t.Helper()
	if ref.Operation.IsCharge() {
		return l.history(ref.OrderID)
	}
	return l.operation(ref)
}

// charge is the model of the charge of an operation.
func (l *randomLife) charge(ref payment.Ref) *model {
	return l.models[payment.Ref{OrderID: ref.OrderID}]
}

// decided returns the decision about a stored payment or other operation, with what it changes of its charge.
func (l *randomLife) decided(m *model, d payment.Decision) payment.Decision {
	if m.payment.Operation.IsCharge() {
		return d
	}
	return d.Account(l.charge(m.payment.Ref()).read(), m.read())
}

// store records a decision in the models.
func (l *randomLife) store(m *model, d payment.Decision) {
	m.store(d)
	if d.Charge != nil {
		l.charge(m.payment.Ref()).payment = plain(*d.Charge)
	}
}

// add adds the model of a new payment or other operation.
func (l *randomLife) add(p payment.Payment) *model {
	m := &model{payment: plain(p)}
	l.models[p.Ref()], l.refs = m, append(l.refs, p.Ref())
	return m
}

// refundOne requests a refund of some order, sometimes with another amount than before.
func (l *randomLife) refundOne() {
	id := payment.OrderID(fmt.Sprintf("order-%d", l.rand.IntN(4)))
	amount := []string{"", "30", "30", "60"}[l.rand.IntN(4)]
	l.operate(l.refundRequest(id, fmt.Sprintf("r-%d", l.rand.IntN(3)), amount))
}

// captureOne requests a capture or a void of some order, as refundOne requests refunds.
func (l *randomLife) captureOne() {
	id := payment.OrderID(fmt.Sprintf("order-%d", l.rand.IntN(4)))
	if l.rand.IntN(3) == 0 {
		l.operate(l.voidRequest(id))
		return
	}
	l.operate(l.captureRequest(id, []string{"", "60", "60", "101"}[l.rand.IntN(4)]))
}

// notifyOne is an event of the gateway about some key.
func (l *randomLife) notifyOne() {
	m := l.some()
	if m == nil || m.payment.KeySent.IsZero() || m.payment.GatewayKey == "key-elsewhere" {
		return // that key may be several operations'
	}
	n := notice(m.payment.OrderID, m.payment.GatewayKey)
	n.Kind, n.Sent, n.Worker = m.payment.Operation.Kind, !m.payment.Operation.IsCharge(), plainTime(time.Now())
	n.Says = []payment.LookupResult{payment.FoundApproved, payment.FoundDeclined, payment.FoundVoided}[l.rand.IntN(3)]
	verdict, err := l.Notify(l.t.Context(), n)
	require.NoError(l.t, err)
	at := l.stored(m.payment.Ref()).UpdatedAt
	if verdict != payment.VerdictWritten {
		at = time.Now() // nothing is written
	}
	d, err := n.Apply(m.read(), plainTime(at))
	require.NoError(l.t, err)
	require.Equal(l.t, d.Verdict, verdict)
	l.store(m, l.decided(m, d))
	l.requireAsModel(m)
}

// operate requests an operation, sometimes deferred.
func (l *randomLife) operate(a payment.ClaimRequest) {
	a.Lease = l.pick(expiredLease, liveLease)
	a.Deferred = l.rand.IntN(4) == 0
	ref := payment.Ref{OrderID: a.OrderID, Operation: a.Operation}
	charge, known := l.models[payment.Ref{OrderID: a.OrderID}]
	got, verdict, err := l.Claim(l.t.Context(), a)
	if !known {
		require.ErrorIs(l.t, err, ports.ErrNotFound)
		return
	}
	m, at := l.models[ref], time.Now() // a refusal does not depend on the time
	if err == nil {
		at = plainTime(got.CreatedAt)
	}
	var stored *payment.Payment
	if m != nil {
		read := m.read()
		stored = &read
		if err == nil {
			at = plainTime(got.SeenAt)
		}
	}
	d, refused := a.DecideOperation(charge.read(), stored, at)
	if refused != nil {
		require.Equal(l.t, refused, err)
		return
	}
	require.NoError(l.t, err)
	require.Equal(l.t, d.Verdict, verdict)
	if m == nil {
		m = l.add(d.Payment)
	}
	l.store(m, d)
	requireSame(l.t, m.payment, *got)
	l.requireAsModel(m)
	l.claims = append(l.claims, got.ClaimRef())
}
