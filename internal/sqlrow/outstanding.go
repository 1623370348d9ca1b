package sqlrow

import (
	"fmt"
	"strconv"
	"time"

	"paymentd/core/payment"
	"paymentd/ports"
)

// microsDigits is the length of the number before the order in OutstandingRow.FirstDue and FirstCreated.
const microsDigits = 20

// OutstandingRow is a group of ports.OutstandingWork as the queries return it.
type OutstandingRow struct {
	Kind     payment.Kind
	State    payment.State
	Gateway  payment.GatewayID
	Currency string

	HasAmount, InDoubt int64 // 0 or 1
	Operations         int64
	Thousands, Rest    int64 // of the amounts in minor units
	// FirstDue and FirstCreated are a time in microseconds since 1970, with microsDigits digits, and an order.
	FirstDue, FirstCreated string
}

// Group returns the group, at the database's now.
func (r OutstandingRow) Group(now time.Time) (ports.OutstandingGroup, error) {
	g := ports.OutstandingGroup{
		OutstandingKey: ports.OutstandingKey{
			Kind: r.Kind, State: r.State, Gateway: r.Gateway, Currency: r.Currency, InDoubt: r.InDoubt != 0,
		},
		Operations: int(r.Operations),
	}
	if r.HasAmount != 0 {
		g.Minor = ports.MinorOf(r.Thousands, r.Rest)
	}
	due, dueOrder, err := timedOrder(r.FirstDue)
	if err != nil {
		return g, err
	}
	created, createdOrder, err := timedOrder(r.FirstCreated)
	if err != nil {
		return g, err
	}
	g.NextOrder, g.NextIn = dueOrder, due.Sub(now)
	g.OldestOrder, g.Age = createdOrder, now.Sub(created)
	return g, nil
}

func timedOrder(text string) (time.Time, payment.OrderID, error) {
	if len(text) <= microsDigits {
		return time.Time{}, "", fmt.Errorf("%q is not a time and an order", text)
	}
	micros, err := strconv.ParseInt(text[:microsDigits], 10, 64)
	if err != nil {
		return time.Time{}, "", fmt.Errorf("%q is not a time and an order: %w", text, err)
	}
	return time.UnixMicro(micros).UTC(), payment.OrderID(text[microsDigits:]), nil
}
