package ports

import (
	"cmp"
	"context"
	"math"
	"slices"
	"time"

	"paymentd/core/payment"
)

// MaxOutstanding bounds how many rows of a table, or of one state in it, are read to sum them.
const MaxOutstanding = 10_000

// OutstandingWork sums up what is not final, for an operator. A repository of [Payments] implements it. Its
// method locks nothing and writes nothing; its errors and its concurrent use are those of [Payments].
type OutstandingWork interface {
	// SumOutstanding sums up the operations that are not final, and the keys whose own lookups are due at some
	// time. It reads only rows that an index of due work has, the longest due first, and at most
	// [MaxOutstanding] of each table or state; Outstanding.More says that there are others.
	SumOutstanding(ctx context.Context) (Outstanding, error)
}

// Outstanding is what is not final.
type Outstanding struct {
	// Groups have different keys, in the order of those. Rows that are visibly not valid have the state
	// [Unreadable] and no sum, and rows of an unknown state may be left out.
	Groups []OutstandingGroup
	// More: as many rows were read as may be, so that the counts and sums may be too small.
	More bool
}

// OutstandingKey is what the operations of a group have in common.
type OutstandingKey struct {
	Kind    payment.Kind
	State   payment.State // empty for a group of keys, which have no sum and no currency
	Gateway payment.GatewayID
	// Currency is an ISO 4217 code.
	Currency string
	// InDoubt: an attempt may have moved the money, and no proof says whether it did. The key is in doubt, the
	// operation is pending or unresolved, or the lease of its worker has expired.
	InDoubt bool
}

// OutstandingGroup sums up operations, or keys.
type OutstandingGroup struct {
	OutstandingKey

	Operations int
	Minor      int64 // the sum of the amounts in minor units; at most [math.MaxInt64]
	// NextOrder is the order that is due first, and NextIn how long it is until then; negative if it has been
	// due for that long.
	NextOrder payment.OrderID
	NextIn    time.Duration
	// OldestOrder is the order that was created first or, of keys, whose key was sent first, and Age how long
	// ago that was.
	OldestOrder payment.OrderID
	Age         time.Duration
}

// Merge adds another part of the same group.
func (g *OutstandingGroup) Merge(other OutstandingGroup) {
	g.Operations += other.Operations
	g.Minor = AddMinor(g.Minor, other.Minor)
	if other.NextIn < g.NextIn {
		g.NextOrder, g.NextIn = other.NextOrder, other.NextIn
	}
	if other.Age > g.Age {
		g.OldestOrder, g.Age = other.OldestOrder, other.Age
	}
}

// AddMinor adds two sums of minor units; at most [math.MaxInt64].
func AddMinor(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

// MinorOf returns thousands*1000 + rest, at most [math.MaxInt64]. A database sums thousands and rest apart,
// because the sum of the amounts themselves may exceed its integers.
func MinorOf(thousands, rest int64) int64 {
	if thousands > (math.MaxInt64-rest)/1000 {
		return math.MaxInt64
	}
	return thousands*1000 + rest
}

// SumGroups returns the groups that the parts belong to. A part that is not of valid operations belongs to a
// group of its kind with the state [Unreadable].
func SumGroups(parts []OutstandingGroup) []OutstandingGroup {
	var groups []OutstandingGroup
	for _, part := range parts {
		if !part.readable() {
			part.OutstandingKey, part.Minor = OutstandingKey{Kind: part.Kind, State: Unreadable}, 0
		}
		i := slices.IndexFunc(groups, func(g OutstandingGroup) bool { return g.OutstandingKey == part.OutstandingKey })
		if i < 0 {
			groups = append(groups, part)
			continue
		}
		groups[i].Merge(part)
	}
	slices.SortFunc(groups, func(a, b OutstandingGroup) int { return compareKeys(a.OutstandingKey, b.OutstandingKey) })
	return groups
}

func (g *OutstandingGroup) readable() bool {
	if g.State == "" && g.Currency == "" {
		return true // keys
	}
	_, err := payment.StoredMoney("", 1, g.Currency)
	return err == nil && g.Minor > 0 && slices.Contains(payment.States(), g.State) && !g.State.Final()
}

func compareKeys(a, b OutstandingKey) int {
	return cmp.Or(cmp.Compare(a.Gateway, b.Gateway), cmp.Compare(a.Currency, b.Currency), cmp.Compare(a.Kind, b.Kind),
		cmp.Compare(a.State, b.State), compareBools(a.InDoubt, b.InDoubt))
}

// compareBools orders true before false.
func compareBools(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}
