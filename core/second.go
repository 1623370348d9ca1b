package core

import (
	"context"
	"fmt"
	"strings"
	"time"

	"paymentd/core/payment"
	"paymentd/ports"
)

// Prover is a gateway that is only asked.
type Prover interface {
	ports.Ledger

	LookUp(ctx context.Context, ref payment.ChargeRef) payment.Lookup
	Capabilities() payment.Capabilities
}

// SecondCharge names a second charge of an order.
type SecondCharge struct {
	payment.ChargeID

	// ChargedAt is when the gateway's list says that it was made; zero if it is not known.
	ChargedAt time.Time
}

// RequestSecondRefund stores the refund of a second charge of an order: one with another gateway key and transaction than
// those with which the payment has succeeded. It is made as the refund of [RequestOperation] is, once for each second
// charge. r is that of RequestOperation, without an operation; an amount of zero is all of the second charge.
//
// The second charge must be recorded, as a worker, a lookup or an event does that finds it. If it is not, because only
// the gateway's list has it, second.Key is required: one of the gateways must say that it has charged the transaction
// with the key, and that is recorded first, as evidence. Unless the order itself has sent the key, second.ChargedAt is
// required as well, because the gateway's list must say that the charge is the order's. Otherwise both may be empty.
//
// The errors are those of RequestOperation; a *payment.OperationRefusedError if no gateway confirms the charge.
func RequestSecondRefund(
	ctx context.Context, payments ports.Payments, gateways []Prover, r payment.ClaimRequest, second SecondCharge,
) (payment.Payment, error) {
	h, err := payments.History(ctx, r.OrderID)
	if err != nil {
		return payment.Payment{}, err
	}
	charge := h.Payment
	charge.Keys = h.Keys
	recorded, known := charge.SecondCharge(second.TransactionID)
	switch {
	case known && second.Key != "" && second.Key != recorded.Key:
		return payment.Payment{}, &payment.OperationRefusedError{Why: fmt.Sprintf(
			"transaction %s has the gateway key %s, and not %s", second.TransactionID, recorded.Key, second.Key)}
	case known:
		second.ChargeID = recorded
	case second.Key != "":
		if err := recordSecondCharge(ctx, payments, gateways, r, h, second); err != nil {
			return payment.Payment{}, err
		}
	}
	r.Operation, r.SecondTransaction = payment.SecondRefundID(second.Key), second.TransactionID
	return RequestOperation(ctx, payments, r)
}

// recordSecondCharge records a second charge that a gateway confirms. Nothing is written if it does not.
func recordSecondCharge(
	ctx context.Context, payments ports.Payments, gateways []Prover, r payment.ClaimRequest, h ports.History, second SecondCharge,
) error {
	if err := checkRequested(r); err != nil {
		return err
	}
	ownKey := h.HasKey(second.Key)
	if !ownKey && second.ChargedAt.IsZero() {
		return &payment.OperationRefusedError{Why: fmt.Sprintf("the order has never sent the gateway key %s; say with --charged-at "+
			"when the gateway made the charge, as `paymentd audit` prints it, so that its list can be asked whose charge it is", second.Key)}
	}
	gateway, err := findSecondCharge(ctx, gateways, h.Payment, second, ownKey)
	if err != nil {
		return err
	}
	second.Gateway = gateway
	if err := h.Payment.CheckSecondCharge(second.ChargeID); err != nil {
		return err
	}
	rules, _ := r.Rules.At(gateway)
	_, verdict, err := payments.RecordApproval(ctx, payment.Approval{
		OrderID: r.OrderID, Key: second.Key, Gateway: gateway, TransactionID: second.TransactionID,
		By: r.By, Rules: rules, Worker: micros(time.Now()),
	})
	if err == nil && verdict != payment.VerdictDouble && verdict != payment.VerdictReplay {
		err = fmt.Errorf("record the second charge: unexpected verdict %q", verdict)
	}
	return err
}

// findSecondCharge returns the gateway that says that it has charged the transaction with the key. Unless the order has
// sent the key, its list must say that the charge is the order's, of the same amount.
func findSecondCharge(
	ctx context.Context, gateways []Prover, charge payment.Payment, second SecondCharge, ownKey bool,
) (payment.GatewayID, error) {
	var answers []string
	for _, g := range gateways {
		id := g.Capabilities().Gateway
		l := g.LookUp(ctx, payment.ChargeRef{
			Key: second.Key, OrderID: charge.OrderID, Money: charge.Money, TransactionID: second.TransactionID,
		}).Sanitized()
		if l.Result != payment.FoundApproved || l.TransactionID != second.TransactionID {
			answers = append(answers, strings.TrimSpace(fmt.Sprintf("gateway %s answers: %s %s%s", id, l.Result, l.TransactionID, l.Message)))
			continue
		}
		if ownKey {
			return id, nil
		}
		err := checkListed(ctx, g, charge, second)
		if err == nil {
			return id, nil
		}
		answers = append(answers, fmt.Sprintf("gateway %s: %s", id, err))
	}
	return "", &payment.OperationRefusedError{Why: fmt.Sprintf("no gateway confirms that transaction %s was charged for the order "+
		"with the gateway key %s, and nothing was stored; check both (%s)", second.TransactionID, second.Key, strings.Join(answers, "; "))}
}

const (
	// listedWithin is the precision of the times in a gateway's list.
	listedWithin = time.Second
	// maxListed bounds the pages of the list that are read.
	maxListed = 100
)

// checkListed returns nil if the gateway's list has the second charge as one of the order, with its amount.
func checkListed(ctx context.Context, g Prover, charge payment.Payment, second SecondCharge) error {
	q := payment.LedgerQuery{From: second.ChargedAt.Add(-listedWithin), To: second.ChargedAt.Add(listedWithin)}
	for range maxListed {
		page, err := g.Charges(ctx, q)
		if err != nil {
			return fmt.Errorf("read the list: %w", err)
		}
		for _, c := range page.Charges {
			if c.Key == second.Key && c.TransactionID == second.TransactionID {
				if c.OrderID != charge.OrderID || c.Money != charge.Money {
					return fmt.Errorf("the charge is one of %s for the order %s", c.Money, c.OrderID)
				}
				return nil
			}
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			break
		}
	}
	return fmt.Errorf("the list does not have the charge at %s", second.ChargedAt.UTC().Format(time.RFC3339Nano))
}

// RefundSecondCharge returns the command that gives a second charge of an order back, as a line for a POSIX shell. It
// gives nothing back twice.
func RefundSecondCharge(order payment.OrderID, second SecondCharge) string {
	command := "paymentd refund " + shellQuoted(string(order)) + " --transaction=" + shellQuoted(second.TransactionID) +
		" --key=" + shellQuoted(string(second.Key))
	if !second.ChargedAt.IsZero() {
		command += " --charged-at=" + second.ChargedAt.UTC().Format(time.RFC3339Nano)
	}
	return command + " --reason='charged twice'"
}
