package audit

import "paymentd/core/payment"

// inFlight is the kind of a charge of a payment that will be settled: no difference yet.
const inFlight Kind = "in_flight"

// classify returns how a charge differs from the payment of its order, which is zero if there is none.
// It is empty if they agree. gateway is the one that lists the charge: two gateways may give one id to two
// transactions. paid says that the gateway also has the charge that the payment names.
func classify(c payment.LedgerCharge, p payment.Summary, gateway payment.GatewayID, paid bool) Kind {
	current := c.Key == p.GatewayKey
	same := c.TransactionID == p.TransactionID && (current || p.Gateway == "" || p.Gateway == gateway)
	switch c.State {
	case payment.FoundApproved:
		return classifyApproved(c, p, current, paid, same)
	case payment.FoundAuthorized:
		return classifyHeld(c, p, current, paid, same)
	case payment.FoundPending, payment.FoundProcessing:
		return classifyUndecided(p, current)
	case payment.FoundVoided:
		return classifyVoided(p, current, paid, c.TransactionID == p.TransactionID)
	case payment.FoundDeclined:
		return classifyDeclined(p, current, paid)
	case payment.FoundNothing, payment.FoundNoAnswer, payment.FoundReturned: // of refunds
	}
	return ""
}

// classifyVoided is for a charge that was voided, or whose hold has expired.
func classifyVoided(p payment.Summary, current, paid, same bool) Kind {
	switch {
	case p.State == payment.StateAuthorized && current:
		return inFlight // its daily lookup finds that the hold has ended
	case p.State == payment.StateSucceeded && !paid && (current || same):
		return KindVoided
	}
	return ""
}

// classifyUndecided is for a charge that the gateway decides later.
func classifyUndecided(p payment.Summary, current bool) Kind {
	switch {
	case p.OrderID == "":
		return KindUnknown
	case current && !p.State.Final():
		return inFlight
	}
	return KindPending
}

// classifyDeclined is for a charge that the gateway declined.
func classifyDeclined(p payment.Summary, current, paid bool) Kind {
	switch {
	case p.OrderID == "" || !current:
	case p.State == payment.StateUnresolved:
		return KindUnresolvedDeclined
	case p.State == payment.StateSucceeded && !paid:
		return KindNotCharged
	}
	return ""
}

// classifyApproved is for a charge that took the money of an order.
func classifyApproved(c payment.LedgerCharge, p payment.Summary, current, paid, same bool) Kind {
	switch p.State {
	case "":
		return KindUnknown
	case payment.StateSucceeded:
		return compare(c, p, paid, same)
	case payment.StateDeclined, payment.StateFailed, payment.StateVoided:
		if current {
			return KindNotSucceeded
		}
	case payment.StateUnresolved:
		if current {
			return KindUnresolvedCharged
		}
	case payment.StateProcessing, payment.StateScheduled, payment.StatePending,
		payment.StateAuthorized: // a capture is in progress, or the daily lookup finds it
		if current {
			return inFlight
		}
	}
	return KindLeftKey
}

// classifyHeld is for a charge that holds the money of an order, without having taken it.
func classifyHeld(c payment.LedgerCharge, p payment.Summary, current, paid, same bool) Kind {
	switch p.State {
	case "":
		return KindUnknown
	case payment.StateAuthorized:
		return compare(c, p, paid, same)
	case payment.StateSucceeded:
		if same {
			return KindNotCharged
		}
	case payment.StateProcessing, payment.StateScheduled, payment.StatePending, payment.StateUnresolved:
		if current {
			return inFlight
		}
	case payment.StateDeclined, payment.StateFailed, payment.StateVoided:
	}
	return KindHeld
}

// compare compares a charge with the payment of its order that both sides say is approved.
func compare(c payment.LedgerCharge, p payment.Summary, paid, same bool) Kind {
	switch {
	case !same && paid:
		return KindTwice
	case !same:
		return KindTransaction
	case c.Money.Currency() != p.Money.Currency():
		return KindCurrency
	case c.Money != p.Money && !reduced(c, p):
		return KindAmount
	}
	return ""
}

// reduced reports whether the gateway lists the charge of a hold with what was captured of it, instead of what was held.
// The captured sums are compared then.
func reduced(c payment.LedgerCharge, p payment.Summary) bool {
	return p.CapturedMinor > 0 && c.Captured == payment.ListedSum(c.Money.Minor()) && c.Money.Minor() < p.Money.Minor()
}

// approved reports whether the gateway took or holds the money of a charge in this state.
func approved(s payment.LookupResult) bool {
	return s == payment.FoundApproved || s == payment.FoundAuthorized
}

// updated returns the charge as the lookup of its key found it, which is later than the list.
func updated(c payment.LedgerCharge, l payment.Lookup) payment.LedgerCharge {
	switch l.Result {
	case payment.FoundApproved, payment.FoundAuthorized:
		if !approved(c.State) {
			c.TransactionID = l.TransactionID
		}
		c.State = l.Result
	case payment.FoundDeclined, payment.FoundVoided, payment.FoundPending, payment.FoundProcessing:
		c.State = l.Result
	case payment.FoundNothing, payment.FoundNoAnswer, payment.FoundReturned: // of refunds
	}
	return c
}
