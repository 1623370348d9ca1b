package payment

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// checkOperation is Check for an operation other than a charge. The name of a refund may be missing, because the
// gateway may not have it.
func (i Import) checkOperation() error {
	if i.Of.Key != "" && !i.Of.Key.Valid() {
		return &FieldError{Field: "charge_key", Message: "the gateway key of the charge must have 1 to 64 printable ASCII characters without spaces"}
	}
	if i.Operation.Kind != KindRefund || i.Operation.Name == "" {
		return nil
	}
	_, err := ParseRefundID(i.Operation.Name)
	return err
}

// ApplyOperation is [Import.Apply] for an operation other than a charge. stored is the operation as it is stored, or
// nil if the table lacks it. A succeeded refund reserves its amount, and a capture or a void ends the hold, by the same
// rules as if they were requested. For the refund of a second charge, the charge's Keys must have all records.
func (i Import) ApplyOperation(charge Payment, stored *Payment, now time.Time) (Decision, error) {
	var before, p Payment
	if stored != nil {
		before, p = *stored, *stored
	}
	if i.recorded(charge, stored) {
		return unchanged(VerdictReplay, p), nil
	}
	if err := i.conflict(charge, stored); err != nil {
		return Decision{}, err
	}
	of, err := i.chargeOf(charge, stored)
	if err != nil {
		return Decision{}, err
	}
	if err := i.checkAmount(charge, stored); err != nil {
		return Decision{}, err
	}
	was := "was " + string(before.State)
	if stored == nil {
		was = "was not stored"
		p = ClaimRequest{OrderID: i.OrderID, Money: i.Money, NewKey: i.Key, Replica: sanitizeMessage(i.By), Deferred: true}.Open(now)
		p.Operation, p.Of, p.Gateway = i.Operation, of, of.Gateway
	}
	at := Instant{now, i.Worker}
	d := p.succeed(Approval{
		OrderID: i.OrderID, Operation: i.Operation, Key: i.Key, Gateway: of.Gateway, TransactionID: i.TransactionID,
		By: i.By, Rules: i.Rules,
	}, at)
	detail := fmt.Sprintf("%s; imported transaction %s with gateway key %s from the gateway's records", was, i.TransactionID, i.Key)
	if i.Returned {
		d.Payment.settle(Outcome{State: StateDeclined, TransactionID: i.TransactionID, Code: CodeRefundReturned}, at)
		detail += ", whose money came back"
	}
	d.addEvent(EventImported, i.By, detail)
	return d.Account(charge, before), nil
}

// recorded reports whether the table has what the gateway's records say.
func (i Import) recorded(charge Payment, stored *Payment) bool {
	switch {
	case stored != nil:
		same := stored.TransactionID == i.TransactionID || i.Operation.Kind == KindVoid && stored.GatewayKey == i.Key
		return same && stored.Money == i.Money && (stored.returned() || stored.State == StateSucceeded && !i.Returned)
	case i.Operation.Kind == KindCapture: // a lookup of the charge has found the capture
		captured, held := charge.CapturedHold()
		return held && captured == i.Money
	}
	return i.Operation.Kind == KindVoid && charge.State == StateVoided
}

// conflict returns why the gateway's records contradict the stored operation.
func (i Import) conflict(charge Payment, stored *Payment) error {
	refuse := func(format string, args ...any) error { return &ImportRefusedError{fmt.Sprintf(format, args...)} }
	if stored == nil {
		if charge.Operations >= MaxOperations {
			return refuse("the payment has %d operations already, which is the most that one payment can have", MaxOperations)
		}
		return nil
	}
	key, open := stored.OtherOpenKey(i.Key)
	open = open || key != i.Key && stored.State.looksUp()
	switch {
	case stored.Money != i.Money:
		return refuse("the gateway has it with %s, but the %s is of %s", i.Money, i.Operation, stored.Money)
	case (stored.State == StateSucceeded || stored.returned()) && stored.TransactionID != i.TransactionID:
		return refuse("the %s was approved with transaction %s, but the gateway also has %s: the money may have moved twice",
			i.Operation, stored.TransactionID, i.TransactionID)
	case open && !i.Overwrite:
		return refuse("the %s is %s with another gateway key, %s, which may also have moved the money; wait until that is known, "+
			"or name the order with --overwrite", i.Operation, stored.State, key)
	}
	return nil
}

// chargeOf returns the charge that the operation is about: the payment's, or a recorded second one.
func (i Import) chargeOf(charge Payment, stored *Payment) (ChargeID, error) {
	of := ChargeID{Key: charge.GatewayKey, Gateway: charge.Gateway, TransactionID: charge.TransactionID}
	switch {
	case stored != nil:
		of = stored.Of
	case i.Operation.RefundsSecondCharge():
		k, _ := charge.findKey(GatewayKey(strings.TrimPrefix(i.Operation.Name, secondRefundPrefix)))
		if k.TransactionID == "" {
			return of, &ImportRefusedError{fmt.Sprintf(
				"it gives a second charge with gateway key %s back, which is not recorded here; do not give it back again", k.Key)}
		}
		of = ChargeID{Key: k.Key, Gateway: k.Gateway, TransactionID: k.TransactionID}
	}
	if i.Of.Key != "" && i.Of.Key != of.Key {
		return of, &ImportRefusedError{fmt.Sprintf(
			"the gateway has it for the charge with gateway key %s, but that of the payment is %s; compare both with the gateway", i.Of.Key, of.Key)}
	}
	return of, nil
}

// checkAmount refuses an operation that the payment does not allow, unless its amount is reserved already or free again.
func (i Import) checkAmount(charge Payment, stored *Payment) error {
	if i.Returned || stored != nil && stored.reserves() {
		return nil
	}
	if i.Operation.RefundsSecondCharge() {
		if i.Money.Currency() != charge.Money.Currency() || i.Money.Minor() > charge.Money.Minor() {
			return &ImportRefusedError{fmt.Sprintf("the gateway gave %s back, but the second charge took %s", i.Money, charge.Money)}
		}
		return nil
	}
	_, err := operations[i.Operation.Kind].begin(charge, i.Money)
	switch {
	case err == nil && i.Operation.Kind == KindVoid && i.Money != charge.Money:
		return &ImportRefusedError{fmt.Sprintf("the gateway released %s, but the payment is of %s", i.Money, charge.Money)}
	case err == nil:
		return nil
	case errors.Is(err, ErrChargeOpen):
		return &ImportRefusedError{fmt.Sprintf(
			"the payment is %s, so that it cannot have a %s here; import its charge first, or wait until its outcome is known", charge.State, i.Operation.Kind)}
	}
	return &ImportRefusedError{fmt.Sprintf("the gateway has a %s of %s, but here %s", i.Operation.Kind, i.Money, err)}
}
