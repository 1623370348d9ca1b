package payment

import (
	"fmt"
	"strings"
)

// secondRefundPrefix begins the name of the refund of a second charge. The gateway key of that charge follows.
const secondRefundPrefix = "second-charge-"

// SecondRefundID names the refund of the second charge of an order that has the gateway key. A second charge has one
// refund at most, so that it cannot be given back twice.
func SecondRefundID(key GatewayKey) OperationID {
	return OperationID{Kind: KindRefund, Name: secondRefundPrefix + string(key)}
}

// RefundsSecondCharge reports whether the operation is, or would be, the refund of a second charge of its order. What
// it gives back is not the payment's own money: it reserves nothing of it.
func (id OperationID) RefundsSecondCharge() bool {
	return id.Kind == KindRefund && strings.HasPrefix(id.Name, secondRefundPrefix)
}

// SecondCharge returns the recorded second charge with a transaction, and false if none is recorded. The payment's
// Keys must have all records of its keys.
func (p Payment) SecondCharge(transactionID string) (ChargeID, bool) {
	for _, k := range p.Keys {
		if transactionID != "" && k.TransactionID == transactionID {
			return ChargeID{Key: k.Key, Gateway: k.Gateway, TransactionID: transactionID}, true
		}
	}
	return ChargeID{}, false
}

// CheckSecondCharge refuses the refund of a charge that cannot be a second one of the payment, or of which it is not
// known how much it took. The error is [ErrChargeOpen] or an *[OperationRefusedError].
func (p Payment) CheckSecondCharge(second ChargeID) error {
	refuse := func(format string, args ...any) error {
		return &OperationRefusedError{Why: fmt.Sprintf(format, args...)}
	}
	switch {
	case p.State != StateSucceeded:
		return p.refundRefusal()
	case p.hasTransaction(second.TransactionID, second.Gateway):
		return refuse("the transaction %s is that of the payment itself; refund it without --transaction", second.TransactionID)
	case p.Capture == CaptureManual:
		return refuse("the payment was held first, and it is not known how much of the second transaction was captured; " +
			"void or refund it in the gateway's console")
	case second.Key == p.GatewayKey:
		return refuse("both transactions have the gateway key %s, so that the gateway may give back the wrong one; "+
			"refund transaction %s in its console", second.Key, second.TransactionID)
	}
	return nil
}

// hasTransaction reports whether the payment was approved with a transaction of a gateway. Two gateways may give one id
// to two transactions. An empty gateway is not known.
func (p Payment) hasTransaction(id string, at GatewayID) bool {
	return p.TransactionID == id && (at == "" || p.Gateway == "" || at == p.Gateway)
}

// beginSecondRefund is begin for the refund of a second charge: of all of it, or of less. It returns the charge as
// well.
func (a ClaimRequest) beginSecondRefund(charge Payment) (ChargeID, Money, error) {
	if a.SecondTransaction == "" {
		return ChargeID{}, Money{}, &OperationRefusedError{Why: fmt.Sprintf("a refund_id that begins with %s is for the refund "+
			"of a second charge, by `paymentd refund --transaction`; use another refund_id", secondRefundPrefix)}
	}
	second, recorded := charge.SecondCharge(a.SecondTransaction)
	if !recorded {
		second.TransactionID = a.SecondTransaction
	}
	if err := charge.CheckSecondCharge(second); err != nil {
		return ChargeID{}, Money{}, err
	}
	most := charge.Money // a key means one request, which has the amount of the order
	switch {
	case !recorded || SecondRefundID(second.Key) != a.Operation:
		return ChargeID{}, Money{}, &OperationRefusedError{Why: fmt.Sprintf(
			"no second charge with transaction %s is recorded; give its gateway key with --key, as `paymentd audit` prints it", a.SecondTransaction)}
	case a.Money.IsZero():
		return second, most, nil
	case a.Money.Currency() != most.Currency() || a.Money.Minor() > most.Minor():
		return ChargeID{}, Money{}, &OperationRefusedError{Left: most, Why: fmt.Sprintf(
			"the refund exceeds the second charge, which took %s; refund at most that", most)}
	}
	return second, a.Money, nil
}
