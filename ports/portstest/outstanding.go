package portstest

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
	"paymentd/ports"
)

// OutstandingPayments is a repository of payments that sums up what is not final.
type OutstandingPayments interface {
	ports.Payments
	ports.OutstandingWork
}

// Outstanding checks that a repository keeps the contract of ports.OutstandingWork. open returns a new, empty
// repository, and registers its removal with t.Cleanup.
func Outstanding(t *testing.T, open func(t testing.TB) OutstandingPayments) {
	t.Helper()
	for name, check := range map[string]func(*outstandingWork){
		"nothing, if all is final":                     sumsNothing,
		"payments by state, gateway and currency":      sumsPayments,
		"what is in doubt apart from what is not":      sumsDoubt,
		"other operations apart from payments":         sumsOperations,
		"keys whose own lookups are due":               sumsKeys,
		"the order that is due first, and the oldest":  namesNextAndOldest,
		"more than the integers of a database can sum": sumsLargeAmounts,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t)
			check(&outstandingWork{repository: &repository{Payments: s, t: t}, work: s})
		})
	}
}

// outstandingWork is the repository under test.
type outstandingWork struct {
	*repository

	work ports.OutstandingWork
}

// sum returns the groups without their orders and times, which are plausible.
func (o *outstandingWork) sum() []ports.OutstandingGroup {
	o.t.Helper()
	sum, err := o.work.SumOutstanding(o.t.Context())
	require.NoError(o.t, err)
	require.False(o.t, sum.More)
	plain := make([]ports.OutstandingGroup, 0, len(sum.Groups))
	for _, g := range sum.Groups {
		require.NotEmpty(o.t, g.NextOrder)
		require.NotEmpty(o.t, g.OldestOrder)
		require.GreaterOrEqual(o.t, g.Age, time.Duration(0))
		require.Less(o.t, g.Age, waitLimit)
		plain = append(plain, ports.OutstandingGroup{OutstandingKey: g.OutstandingKey, Operations: g.Operations, Minor: g.Minor})
	}
	return plain
}

// group is a group of the contract's gateway.
func group(kind payment.Kind, state payment.State, inDoubt bool, operations int, minor int64) ports.OutstandingGroup {
	return ports.OutstandingGroup{
		OutstandingKey: ports.OutstandingKey{
			Kind: kind, State: state, Gateway: rules().Gateway, Currency: "USD", InDoubt: inDoubt,
		},
		Operations: operations, Minor: minor,
	}
}

func sumsNothing(o *outstandingWork) {
	require.Empty(o.t, o.sum())
	for _, state := range []payment.State{payment.StateSucceeded, payment.StateDeclined, payment.StateFailed} {
		o.inState(state, payment.OrderID("order-"+state))
	}
	require.Empty(o.t, o.sum())
}

func sumsPayments(o *outstandingWork) {
	for _, id := range []payment.OrderID{"order-1", "order-2"} {
		o.inState(payment.StateProcessing, id)
	}
	o.inState(payment.StateUnresolved, "order-3")
	o.inState(payment.StatePending, "order-4")
	inYen := o.claimRequest("order-5")
	inYen.Money = money(o.t, "700", "JPY")
	o.claim(inYen, payment.VerdictClaimed)
	elsewhere := o.claimRequest("order-6")
	elsewhere.Rules.Gateway = "https://other.example"
	o.claim(elsewhere, payment.VerdictClaimed)

	yen, other := group("", payment.StateProcessing, false, 1, 700), group("", payment.StateProcessing, false, 1, 100_00)
	yen.Currency, other.Gateway = "JPY", "https://other.example"
	require.Equal(o.t, []ports.OutstandingGroup{
		yen,
		group("", payment.StatePending, true, 1, 100_00),
		group("", payment.StateProcessing, false, 2, 200_00),
		group("", payment.StateUnresolved, true, 1, 100_00),
		other,
	}, o.sum())
}

func sumsDoubt(o *outstandingWork) {
	expired := o.claimRequest("order-expired")
	expired.Lease = expiredLease
	o.claim(expired, payment.VerdictClaimed)
	o.inState(payment.StateProcessing, "order-live")
	retried := o.inState(payment.StateProcessing, "order-retried")
	o.renew(payment.Renewal{
		ClaimRef: retried.ClaimRef(), End: *end(answeredUnknown), Next: true, Lease: liveLease, Worker: plainTime(time.Now()),
	})
	o.dueSince("order-in-doubt", -liveLease)
	sure := o.inState(payment.StateProcessing, "order-sure")
	o.settle(sure, payment.Result{Class: payment.ClassNotCharged}, payment.Outcome{State: payment.StateScheduled})

	require.Equal(o.t, []ports.OutstandingGroup{
		group("", payment.StateProcessing, true, 2, 200_00),
		group("", payment.StateProcessing, false, 1, 100_00),
		group("", payment.StateScheduled, true, 1, 100_00),
		group("", payment.StateScheduled, false, 1, 100_00),
	}, o.sum())
}

func sumsOperations(o *outstandingWork) {
	o.charged("order-1")
	for _, state := range []payment.State{
		payment.StateProcessing, payment.StatePending, payment.StateUnresolved, payment.StateSucceeded, payment.StateDeclined,
	} {
		o.refundInState(state, "order-1", string(state), "1")
	}
	require.Equal(o.t, []ports.OutstandingGroup{
		group(payment.KindRefund, payment.StatePending, true, 1, 1_00),
		group(payment.KindRefund, payment.StateProcessing, false, 1, 1_00),
		group(payment.KindRefund, payment.StateUnresolved, true, 1, 1_00),
	}, o.sum())
}

// sumsKeys has a payment that failed because one lookup found nothing. A second one closes its key.
func sumsKeys(o *outstandingWork) {
	l := lookup(o.claimedForLookup("order-1"), payment.FoundNothing)
	require.Equal(o.t, payment.StateFailed, o.record(l, payment.VerdictWritten).State)
	require.Equal(o.t, []ports.OutstandingGroup{
		{OutstandingKey: ports.OutstandingKey{Gateway: rules().Gateway}, Operations: 1},
	}, o.sum())
}

func namesNextAndOldest(o *outstandingWork) {
	oldest := o.dueSince("order-oldest", -liveLease)
	o.laterThan(oldest.CreatedAt)
	o.dueSince("order-late", time.Hour)
	o.dueSince("order-soon", -2*liveLease)

	sum, err := o.work.SumOutstanding(o.t.Context())
	require.NoError(o.t, err)
	require.Len(o.t, sum.Groups, 1)
	g := sum.Groups[0]
	require.Equal(o.t, payment.OrderID("order-late"), g.NextOrder)
	require.LessOrEqual(o.t, g.NextIn, -time.Hour)
	require.Greater(o.t, g.NextIn, -time.Hour-waitLimit)
	require.Equal(o.t, payment.OrderID("order-oldest"), g.OldestOrder)
	require.Positive(o.t, g.Age)
}

func sumsLargeAmounts(o *outstandingWork) {
	for _, id := range []payment.OrderID{"order-1", "order-2", "order-3"} {
		a := o.claimRequest(id)
		a.Money = money(o.t, "9999999999999.99", "USD")
		o.claim(a, payment.VerdictClaimed)
	}
	require.Equal(o.t, []ports.OutstandingGroup{
		group("", payment.StateProcessing, false, 3, 3*999_999_999_999_999),
	}, o.sum())
}

// damagedOutstanding checks which damages of a payment's row a sum shows. The other rows are summed.
func damagedOutstanding(t *testing.T, s Stored, column string) {
	t.Helper()
	work, implements := s.Payments.(ports.OutstandingWork)
	require.True(t, implements, "the repository implements ports.OutstandingWork")
	sum, err := work.SumOutstanding(t.Context())
	require.NoError(t, err)
	count := func(unreadable bool) (n int) {
		for _, g := range sum.Groups {
			if (g.State == ports.Unreadable) == unreadable {
				n += g.Operations
			}
		}
		return n
	}
	if slices.Contains([]string{"currency", "amount_minor"}, column) {
		require.Equal(t, 1, count(true), "the sum is %v", sum)
		require.Equal(t, 1, count(false), "the sum is %v", sum)
		return
	}
	require.GreaterOrEqual(t, count(false), 1, "the sum is %v", sum)
}
