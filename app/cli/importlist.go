package cli

import (
	"errors"
	"fmt"
	"strings"

	"paymentd/core/payment"
	"paymentd/internal/jsonobject"
)

// listLine has the members of a line of the list of charges.
type listLine struct {
	Key, OrderID, Amount, Currency, Status, TransactionID string
}

// readListLine parses a line. Unknown members are ignored, because exports have more. Unlike encoding/json, which takes
// the last of two amounts, and "Amount" for "amount", it refuses a line that readers may understand differently.
func readListLine(line []byte) (l listLine, err error) {
	if !jsonobject.IsObject(line) {
		return l, errors.New("must be a JSON object of one charge, whose members are all strings")
	}
	members := []struct {
		name  string
		value *string
		given bool
	}{
		{name: "key", value: &l.Key},
		{name: "order_id", value: &l.OrderID},
		{name: "amount", value: &l.Amount},
		{name: "currency", value: &l.Currency},
		{name: "status", value: &l.Status},
		{name: "transaction_id", value: &l.TransactionID},
	}
	for m := jsonobject.New(line); m.Next(); {
		for i := range members {
			known, given := &members[i], string(m.Name)
			if !strings.EqualFold(given, known.name) {
				continue
			}
			text, isText := jsonobject.Text(m.Value)
			switch {
			case given != known.name:
				return l, fmt.Errorf("has the member %.40q: write %s", given, known.name)
			case known.given:
				return l, fmt.Errorf("has the member %s twice: give it once", known.name)
			case !isText && string(m.Value) != "null":
				return l, fmt.Errorf("must be a JSON object of one charge, whose members are all strings: %s is none", known.name)
			}
			*known.value, known.given = text, true
		}
	}
	return l, nil
}

// orderOfCharge has the orders of the charges of a list, by what identifies one charge: its key, and its transaction.
type orderOfCharge map[string]payment.OrderID

// add returns an error if the charge has the key or the transaction of a charge of another order.
func (seen orderOfCharge) add(charge payment.Import) error {
	for _, id := range []struct{ name, value string }{{"key", string(charge.Key)}, {"transaction_id", charge.TransactionID}} {
		if id.value == "" {
			continue
		}
		before, found := seen[id.name+" "+id.value]
		if found && before != charge.OrderID {
			return fmt.Errorf("the %s %q is also that of order %s: one charge is for one order; compare both with the gateway", id.name, id.value, before)
		}
		seen[id.name+" "+id.value] = charge.OrderID
	}
	return nil
}
