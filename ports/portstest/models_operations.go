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

// refundOne requests a refund of some order, sometimes deferred, and sometimes with another amount than before.
func (l *randomLife) refundOne() {
	id := payment.OrderID(fmt.Sprintf("order-%d", l.rand.IntN(4)))
	amount := []string{"", "30", "30", "60"}[l.rand.IntN(4)]
	a := l.refundRequest(id, fmt.Sprintf("r-%d", l.rand.IntN(3)), amount)
	a.Lease = l.pick(expiredLease, liveLease)
	a.Deferred = l.rand.IntN(4) == 0
	ref := payment.Ref{OrderID: id, Operation: a.Operation}
	charge, known := l.models[payment.Ref{OrderID: id}]
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
