package audit

import "paymentd/core/payment"

// inFlight is the kind of a charge of a payment that will be settled: no difference yet.
const inFlight Kind = "in_flight"

// classify returns how a charge differs from the payment of its order, which is zero if there is none.
// It is empty if they agree. gateway is the one that lists the charge: two gateways may give one id to two
// transactions. paid says that the gateway also has the charge that the payment names.
func classify(c payment.LedgerCharge, p payment.Summary, gateway payment.GatewayID, paid bool) Kind {
	none, current := p.OrderID == "", c.Key == p.GatewayKey
	switch c.State {
	case payment.FoundApproved:
		if none {
			return KindUnknown
		}
		own := p.Gateway == "" || p.Gateway == gateway
		return classifyApproved(c, p, current, paid, c.TransactionID == p.TransactionID && (own || current))
	case payment.FoundPending, payment.FoundProcessing:
		return classifyUndecided(p, current)
	case payment.FoundVoided:
		if p.State == payment.StateSucceeded && !paid && (current || c.TransactionID == p.TransactionID) {
			return KindVoided
		}
	case payment.FoundDeclined:
		return classifyDeclined(p, current, paid)
	case payment.FoundNothing, payment.FoundNoAnswer, payment.FoundReturned: // of refunds
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

// classifyApproved is for a charge that took the money of an order that has a payment.
func classifyApproved(c payment.LedgerCharge, p payment.Summary, current, paid, same bool) Kind {
	switch p.State {
	case payment.StateSucceeded:
		switch {
		case !same && paid:
			return KindTwice
		case !same:
			return KindTransaction
		case c.Money.Currency() != p.Money.Currency():
			return KindCurrency
		case c.Money != p.Money:
			return KindAmount
		}
		return ""
	case payment.StateDeclined, payment.StateFailed:
		if current {
			return KindNotSucceeded
		}
	case payment.StateUnresolved:
		if current {
			return KindUnresolvedCharged
		}
	case payment.StateProcessing, payment.StateScheduled, payment.StatePending:
		if current {
			return inFlight
		}
	}
	return KindLeftKey
}

// updated returns the charge as the lookup of its key found it, which is later than the list.
func updated(c payment.LedgerCharge, l payment.Lookup) payment.LedgerCharge {
	switch l.Result {
	case payment.FoundApproved:
		if c.State != payment.FoundApproved {
			c.TransactionID = l.TransactionID
		}
		c.State = l.Result
	case payment.FoundDeclined, payment.FoundVoided, payment.FoundPending, payment.FoundProcessing:
		c.State = l.Result
	case payment.FoundNothing, payment.FoundNoAnswer, payment.FoundReturned: // of refunds
	}
	return c
}
