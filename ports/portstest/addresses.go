package portstest

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
	"paymentd/ports"
)

// AddressedPayments is a repository of payments and of the addresses of their gateways.
type AddressedPayments interface {
	ports.Payments
	GatewayAddresses() ports.GatewayAddresses
}

// GatewayAddresses checks that a repository keeps the contract of ports.GatewayAddresses. open returns a new, empty
// repository, and registers its removal with t.Cleanup.
func GatewayAddresses(t *testing.T, open func(t testing.TB) AddressedPayments) {
	t.Helper()
	for name, check := range map[string]func(*repository, ports.GatewayAddresses){
		"an address is stored once, and replaced": replacesAddress,
		"one of those stored at once is kept":     storesOneAddress,
		"payments are open":                       countsOpenPayments,
		"other operations are open":               countsOpenOperations,
		"keys with lookups of their own are open": countsOpenKeys,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t)
			check(&repository{Payments: s, t: t}, s.GatewayAddresses())
		})
	}
}

func replacesAddress(r *repository, addresses ports.GatewayAddresses) {
	requireAddress := func(gateway payment.GatewayID, want string) {
		r.t.Helper()
		address, err := addresses.Find(r.t.Context(), gateway)
		require.NoError(r.t, err)
		require.Equal(r.t, want, address)
	}
	long := "https://" + strings.Repeat("x", 504)
	require.Len(r.t, long, 512)
	requireAddress("bank", "")
	for _, step := range []struct {
		gateway                   payment.GatewayID
		replaced, address, stored string
	}{
		{"bank", "https://a", "https://b", ""},
		{"bank", "", "https://a", "https://a"},
		{"bank", "", "https://a", "https://a"},
		{"bank", "", "https://b", "https://a"},
		{"bank", "https://c", "https://b", "https://a"},
		{"bank", "https://A", "https://b", "https://a"},
		{"BANK", "", "https://other", "https://other"},
		{"bank", "https://a", long, long},
		{"bank", "https://a", long, long},
		{"bank", long, "https://a", "https://a"},
	} {
		stored, err := addresses.Replace(r.t.Context(), step.gateway, step.replaced, step.address)
		require.NoError(r.t, err)
		require.Equal(r.t, step.stored, stored, "%+v", step)
		requireAddress(step.gateway, step.stored)
	}
	requireAddress("BANK", "https://other")
}

func storesOneAddress(r *repository, addresses ports.GatewayAddresses) {
	const replicas = 8
	stored, errs := make([]string, replicas), make([]error, replicas)
	var all sync.WaitGroup
	for i := range replicas {
		all.Go(func() {
			stored[i], errs[i] = addresses.Replace(r.t.Context(), "bank", "", fmt.Sprint("https://", i))
		})
	}
	all.Wait()
	kept, err := addresses.Find(r.t.Context(), "bank")
	require.NoError(r.t, err)
	require.NotEmpty(r.t, kept)
	for i := range replicas {
		require.NoError(r.t, errs[i])
		require.Equal(r.t, kept, stored[i])
	}
}

// requireOpenAt checks how many are open at the gateway of the contract, that none is at another one, and that
// CountForeign counts the same.
func (r *repository) requireOpenAt(addresses ports.GatewayAddresses, want int) {
	r.t.Helper()
	n, err := addresses.CountOpen(r.t.Context(), rules().Gateway)
	require.NoError(r.t, err)
	require.Equal(r.t, want, n)
	n, err = addresses.CountOpen(r.t.Context(), "https://other.example")
	require.NoError(r.t, err)
	require.Zero(r.t, n)
}

func countsOpenPayments(r *repository, addresses ports.GatewayAddresses) {
	r.requireOpenAt(addresses, 0)
	for _, state := range []payment.State{payment.StateSucceeded, payment.StateDeclined, payment.StateFailed} {
		r.inState(state, payment.OrderID("order-"+state))
	}
	sure := r.inState(payment.StateProcessing, "order-sure")
	r.settle(sure, payment.Result{Class: payment.ClassNotCharged}, payment.Outcome{State: payment.StateScheduled})
	r.requireOpenAt(addresses, 0)

	for i, state := range []payment.State{payment.StateProcessing, payment.StateUnresolved, payment.StatePending} {
		r.inState(state, payment.OrderID("order-"+state))
		r.requireOpenAt(addresses, i+1)
	}
	r.held("order-held")
	r.requireOpenAt(addresses, 4)
	r.dueSince("order-in-doubt", time.Minute)
	r.requireOpenAt(addresses, 5)
}

func countsOpenOperations(r *repository, addresses ports.GatewayAddresses) {
	r.charged("order-1")
	for _, state := range []payment.State{payment.StateSucceeded, payment.StateDeclined} {
		r.refundInState(state, "order-1", string(state), "1")
	}
	r.requireOpenAt(addresses, 0)
	for i, state := range []payment.State{payment.StateProcessing, payment.StateUnresolved, payment.StatePending} {
		r.refundInState(state, "order-1", string(state), "1")
		r.requireOpenAt(addresses, i+1)
	}
}

// countsOpenKeys has a payment and a refund that failed because one lookup found nothing. A second one closes the key.
func countsOpenKeys(r *repository, addresses ports.GatewayAddresses) {
	l := lookup(r.claimedForLookup("order-1"), payment.FoundNothing)
	require.Equal(r.t, payment.StateFailed, r.record(l, payment.VerdictWritten).State)
	r.requireOpenAt(addresses, 1)
	r.charged("order-2")
	l = lookup(r.refundClaimedForLookup("order-2", "key", "1"), payment.FoundNothing)
	l.Rules.Late = 0
	r.record(l, payment.VerdictWritten)
	r.requireOpenAt(addresses, 2)
}
