package portstest

import (
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
	"paymentd/ports"
)

// refunds are about requests for refunds, and what they reserve of the charge.
func refunds() []clause {
	return []clause{
		{"refund/a new one is claimed and reserves its amount", claimsRefund},
		{"refund/a new one is accepted for later and reserves its amount", acceptsRefund},
		{"refund/an amount of zero is all that is left", refundsWhatIsLeft},
		{"refund/no more than was taken is reserved", refusesExcess},
		{"refund/a refund before the charge has succeeded is refused", refusesBeforeSuccess},
		{"refund/an order without a payment is not found", func(r *repository) {
			for _, request := range []payment.ClaimRequest{r.refundRequest("order-1", "r-1", ""), r.deferredRefund("order-1", "r-1", "")} {
				_, _, err := r.Claim(r.t.Context(), request)
				require.ErrorIs(r.t, err, ports.ErrNotFound)
			}
			_, err := r.Find(r.t.Context(), "order-1")
			require.ErrorIs(r.t, err, ports.ErrNotFound, "nothing is stored")
		}},
		{"refund/a gateway that cannot refund is asked nothing", refusesIncapable},
		{"refund/the same refund id is the same operation", repeatsRefund},
		{"refund/another amount for the same refund id is a mismatch", func(r *repository) {
			r.charged("order-1")
			first := r.refund("order-1", "r-1", "25")
			for range payment.MaxRefusals + 3 {
				r.claim(r.refundRequest("order-1", "r-1", "25.01"), payment.VerdictMismatch)
			}
			h := r.operation(first.Ref())
			require.Len(r.t, h.Events, payment.MaxRefusals)
			require.Equal(r.t, "requested 25.01 USD, but the order is for 25.00 USD", h.Events[0].Detail)
			require.Equal(r.t, "25.00", r.reserved("order-1"))
			require.Empty(r.t, r.history("order-1").Events, "the charge has its own events")
		}},
		{"refund/refund ids are compared byte by byte, within their order", separatesRefunds},
		{"refund/an expired claim is taken over with its gateway key", takesOverRefund},
		{"refund/the operator who asks is in the history", namesOperator},
		{"refund/the longest id and reason are stored", func(r *repository) {
			r.charged("order-1")
			request := r.refundRequest("order-1", strings.Repeat("~", payment.MaxOrderIDBytes), "1")
			request.Note = strings.Repeat("é", payment.MaxMessageBytes/2)
			p := r.claim(request, payment.VerdictClaimed)
			require.Equal(r.t, request.Note, p.Note)
			requireSame(r.t, p, r.stored(p.Ref()))
		}},
	}
}

// charged is an order whose charge of 100.00 USD has succeeded.
func (r *repository) charged(id payment.OrderID) payment.Payment {
	r.t.Helper()
	return r.inState(payment.StateSucceeded, id)
}

func refundRef(id payment.OrderID, name string) payment.Ref {
	return payment.Ref{OrderID: id, Operation: payment.OperationID{Kind: payment.KindRefund, Name: name}}
}

// refundRequest returns a request for a claim on a refund, in USD and with a live lease. An empty amount is what
// is left.
func (r *repository) refundRequest(id payment.OrderID, name, amount string) payment.ClaimRequest {
	a := r.claimRequest(id)
	a.Operation, a.Money, a.Note = refundRef(id, name).Operation, payment.Money{}, "damaged in transit"
	if amount != "" {
		a.Money = money(r.t, amount, "USD")
	}
	return a
}

// deferredRefund returns a request that a refund only be accepted.
func (r *repository) deferredRefund(id payment.OrderID, name, amount string) payment.ClaimRequest {
	a := r.refundRequest(id, name, amount)
	a.Deferred, a.Async = true, true
	return a
}

// refund claims a new refund.
func (r *repository) refund(id payment.OrderID, name, amount string) payment.Payment {
	r.t.Helper()
	return r.claim(r.refundRequest(id, name, amount), payment.VerdictClaimed)
}

// refuse requires that a request for a refund is refused, and changes nothing. It returns what is left.
func (r *repository) refuse(a payment.ClaimRequest) payment.Money {
	r.t.Helper()
	before := r.history(a.OrderID)
	p, _, err := r.Claim(r.t.Context(), a)
	var refused *payment.OperationRefusedError
	require.ErrorAs(r.t, err, &refused)
	require.Nil(r.t, p)
	require.NotEmpty(r.t, refused.Why)
	require.Equal(r.t, before, r.history(a.OrderID))
	return refused.Left
}

// refundInState brings a new refund into a state, with one attempt unless it is scheduled.
func (r *repository) refundInState(state payment.State, id payment.OrderID, name, amount string) payment.Payment {
	r.t.Helper()
	if state == payment.StateScheduled {
		return r.claim(r.deferredRefund(id, name, amount), payment.VerdictAccepted)
	}
	p := r.refund(id, name, amount)
	if state != payment.StateProcessing {
		p = r.settle(p, resultFor(state), outcomeFor(state))
	}
	return p
}

// reserved returns how much of an order's charge refunds have reserved.
func (r *repository) reserved(id payment.OrderID) string {
	r.t.Helper()
	p := r.find(id)
	if p.RefundReserved == 0 {
		return "0"
	}
	m, err := payment.MoneyFromMinor(p.RefundReserved, p.Money.Currency())
	require.NoError(r.t, err)
	return strings.TrimSuffix(m.String(), " "+m.Currency().Code())
}

// operation reads all that is stored of an operation that is not a charge, with comparable times.
func (r *repository) operation(ref payment.Ref) ports.History {
	r.t.Helper()
	for _, h := range r.history(ref.OrderID).Operations {
		if h.Payment.Ref() == ref {
			return h
		}
	}
	require.Fail(r.t, "the history has no "+ref.Operation.String())
	return ports.History{}
}

// requireChargeAsBefore fails unless a charge is as it was, except for what is reserved of it and how many operations
// it has.
func (r *repository) requireChargeAsBefore(before ports.History) {
	r.t.Helper()
	now := r.history(before.Payment.OrderID)
	now.Payment.RefundReserved, now.Payment.UpdatedAt = before.Payment.RefundReserved, before.Payment.UpdatedAt
	now.Payment.Operations = before.Payment.Operations
	now.Operations = before.Operations
	require.Equal(r.t, before, now)
}

func claimsRefund(r *repository) {
	charge := r.charged("order-1")
	before := r.history("order-1")
	a := r.refundRequest("order-1", "r-1", "25")
	p := r.claim(a, payment.VerdictClaimed)
	require.True(r.t, p.SeenAt.IsZero(), "this call created it")
	d, err := a.DecideOperation(charge, nil, p.CreatedAt)
	require.NoError(r.t, err)
	requireSame(r.t, d.Payment, p)
	requireSame(r.t, p, r.stored(p.Ref()))
	require.Equal(r.t, payment.ChargeID{
		Key: charge.GatewayKey, Gateway: charge.Gateway, TransactionID: charge.TransactionID,
	}, p.Of)
	requireSame(r.t, *d.Charge, r.find("order-1"))
	require.Equal(r.t, "25.00", r.reserved("order-1"))
	require.False(r.t, r.stored(p.Ref()).SeenAt.Before(p.CreatedAt))

	h := r.operation(p.Ref())
	require.Equal(r.t, []payment.Attempt{plainAttempt(p.Attempt)}, h.Attempts)
	require.Empty(r.t, h.Events)
	require.Empty(r.t, h.Keys)
	r.requireChargeAsBefore(before)
	require.Len(r.t, r.list(ports.ListQuery{Limit: 10}), 1, "a refund is no payment of the list")
}

func acceptsRefund(r *repository) {
	charge := r.charged("order-1")
	a := r.deferredRefund("order-1", "r-1", "25")
	p := r.claim(a, payment.VerdictAccepted)
	d, err := a.DecideOperation(charge, nil, p.CreatedAt)
	require.NoError(r.t, err)
	requireSame(r.t, d.Payment, p)
	requireSame(r.t, p, r.stored(p.Ref()))
	require.Equal(r.t, payment.StateScheduled, p.State)
	require.Empty(r.t, r.operation(p.Ref()).Attempts, "no attempt has begun")
	require.Equal(r.t, "25.00", r.reserved("order-1"))
}

func refundsWhatIsLeft(r *repository) {
	r.charged("order-whole")
	require.Equal(r.t, money(r.t, "100", "USD"), r.refund("order-whole", "r-1", "").Money)
	require.Equal(r.t, "100.00", r.reserved("order-whole"))

	r.charged("order-parts")
	r.refund("order-parts", "r-1", "25.50")
	rest := r.claim(r.deferredRefund("order-parts", "r-2", ""), payment.VerdictAccepted)
	require.Equal(r.t, money(r.t, "74.50", "USD"), rest.Money)
	require.Equal(r.t, "100.00", r.reserved("order-parts"))
	require.True(r.t, r.refuse(r.refundRequest("order-parts", "r-3", "")).IsZero())
}

func refusesExcess(r *repository) {
	r.charged("order-1")
	require.Equal(r.t, "100.00 USD", r.refuse(r.refundRequest("order-1", "r-1", "100.01")).String())
	r.refund("order-1", "r-1", "30")
	r.refund("order-1", "r-2", "30")
	for _, a := range []payment.ClaimRequest{r.refundRequest("order-1", "r-3", "40.01"), r.deferredRefund("order-1", "r-3", "40.01")} {
		require.Equal(r.t, "40.00 USD", r.refuse(a).String())
	}
	other := r.refundRequest("order-1", "r-3", "")
	other.Money = money(r.t, "1", "EUR")
	require.Equal(r.t, "40.00 USD", r.refuse(other).String())
	r.refund("order-1", "r-3", "40")
	require.True(r.t, r.refuse(r.refundRequest("order-1", "r-4", "0.01")).IsZero())
	require.Equal(r.t, "100.00", r.reserved("order-1"))
}

func refusesBeforeSuccess(r *repository) {
	for _, state := range payment.States() {
		if state == payment.StateSucceeded {
			continue
		}
		id := payment.OrderID("order-" + state)
		r.inState(state, id)
		a := r.refundRequest(id, "r-1", "1")
		if state.Final() || state == payment.StateAuthorized {
			require.True(r.t, r.refuse(a).IsZero())
			continue
		}
		before := r.history(id)
		_, _, err := r.Claim(r.t.Context(), a)
		require.ErrorIs(r.t, err, payment.ErrChargeOpen, state)
		require.Equal(r.t, before, r.history(id))
	}
	r.pickUpAll(10) // the unresolved payment above
	l := lookup(r.claimedForLookup("order-in-doubt"), payment.FoundNothing)
	require.Equal(r.t, payment.StateFailed, r.record(l, payment.VerdictWritten).State)
	_, _, err := r.Claim(r.t.Context(), r.refundRequest("order-in-doubt", "r-1", "1"))
	require.ErrorIs(r.t, err, payment.ErrChargeOpen, "one lookup does not prove that nothing was taken")
}

func refusesIncapable(r *repository) {
	r.charged("order-1")
	a := r.refundRequest("order-1", "r-1", "1")
	a.Rules.Operations = 0
	r.refuse(a)
	a.Rules.Operations, a.Rules.Gateway = payment.OperationRefund, "https://other.example"
	before := r.history("order-1")
	r.claim(a, payment.VerdictForeign)
	require.Equal(r.t, before, r.history("order-1"))
}

func repeatsRefund(r *repository) {
	r.charged("order-1")
	p := r.refund("order-1", "r-1", "100")
	for _, amount := range []string{"100", ""} {
		requireSame(r.t, p, r.claim(r.refundRequest("order-1", "r-1", amount), payment.VerdictBusy))
		requireSame(r.t, p, r.claim(r.deferredRefund("order-1", "r-1", amount), payment.VerdictAccepted))
	}
	p = r.settle(p, resultFor(payment.StateSucceeded), outcomeFor(payment.StateSucceeded))
	require.Equal(r.t, payment.StateSucceeded, p.State)
	for _, amount := range []string{"100", ""} {
		requireSame(r.t, p, r.claim(r.refundRequest("order-1", "r-1", amount), payment.VerdictReplay))
		requireSame(r.t, p, r.claim(r.deferredRefund("order-1", "r-1", amount), payment.VerdictReplay))
	}
	requireSame(r.t, p, r.stored(p.Ref()))
	require.Equal(r.t, "100.00", r.reserved("order-1"))
	require.Len(r.t, r.history("order-1").Operations, 1)
}

func separatesRefunds(r *repository) {
	refs := []payment.Ref{
		refundRef("order-1", "r-1"), refundRef("order-1", "R-1"), refundRef("order-1", "r-10"), refundRef("order-1", "r_1"),
		refundRef("order-1", "r%1"), refundRef("order-1", "0"), refundRef("order-1", "00"), refundRef("Order-1", "r-1"),
		refundRef("order-1", "order-1"),
	}
	r.charged("order-1")
	r.charged("Order-1")
	for _, ref := range refs {
		require.Equal(r.t, ref, r.refund(ref.OrderID, ref.Operation.Name, "1").Ref())
	}
	for _, ref := range refs {
		require.Equal(r.t, ref, r.stored(ref).Ref())
	}
	require.Equal(r.t, "8.00", r.reserved("order-1"))
	require.Equal(r.t, "1.00", r.reserved("Order-1"))
	_, err := r.FindOperation(r.t.Context(), refundRef("order-1", "r-2"))
	require.ErrorIs(r.t, err, ports.ErrNotFound)
	_, err = r.FindOperation(r.t.Context(), refundRef("order-2", "r-1"))
	require.ErrorIs(r.t, err, ports.ErrNotFound)
}

func takesOverRefund(r *repository) {
	r.charged("order-1")
	before := r.history("order-1")
	a := r.refundRequest("order-1", "r-1", "25")
	a.Lease = expiredLease
	first := r.claim(a, payment.VerdictClaimed)
	charge := r.find("order-1")

	b := r.refundRequest("order-1", "r-1", "25")
	b.Replica = "replica-b"
	second := r.claim(b, payment.VerdictClaimed)
	d, err := b.DecideOperation(charge, &first, second.SeenAt)
	require.NoError(r.t, err)
	requireSame(r.t, d.Payment, second)
	require.True(r.t, second.TakenOver)
	require.Equal(r.t, first.GatewayKey, second.GatewayKey)
	require.Equal(r.t, int64(2), second.Fence)
	require.True(r.t, second.Doubt.Any(), "the first attempt may have refunded")
	requireSame(r.t, second, r.stored(second.Ref()))

	h := r.operation(second.Ref())
	require.Equal(r.t, []payment.Class{payment.ClassUnknownUnanswered, ""}, classes(h.Attempts))
	require.Equal(r.t, []payment.EventKind{payment.EventTakenOver}, kinds(h.Events))
	requireGapless(r.t, r.history("order-1"))
	require.Equal(r.t, "25.00", r.reserved("order-1"))
	r.requireChargeAsBefore(before)
	require.ErrorIs(r.t, r.Renew(r.t.Context(), renewal(first, time.Second)), payment.ErrFenced)
}
