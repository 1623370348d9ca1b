package cli

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"paymentd/app/internal/cause"
	"paymentd/core/payment"
	"paymentd/internal/jsonobject"
)

// maxLine bounds a line of the list, in bytes.
const maxLine = 64 << 10

// listLine has the members of a line of the list of charges and other operations.
type listLine struct {
	Kind, Operation, Key, ChargeKey, RefundID, OrderID, Amount, Currency, Status, TransactionID string
	Capture, ExpiresAt, VoidKey                                                                 string
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
		{name: "kind", value: &l.Kind},
		{name: "operation", value: &l.Operation},
		{name: "key", value: &l.Key},
		{name: "charge_key", value: &l.ChargeKey},
		{name: "refund_id", value: &l.RefundID},
		{name: "order_id", value: &l.OrderID},
		{name: "amount", value: &l.Amount},
		{name: "currency", value: &l.Currency},
		{name: "status", value: &l.Status},
		{name: "transaction_id", value: &l.TransactionID},
		{name: "capture", value: &l.Capture},
		{name: "expires_at", value: &l.ExpiresAt},
		{name: "void_key", value: &l.VoidKey},
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

// operation returns what the line is about. The sandbox's ledger names captures and voids by operation, and a refund
// only by the key of its charge.
func (l listLine) operation() (id payment.OperationID, err error) {
	kind := cmp.Or(l.Kind, l.Operation)
	switch {
	case l.Kind != "" && l.Operation != "" && l.Kind != l.Operation:
		return id, fmt.Errorf("has the kind %.40q and the operation %.40q: give one of them", l.Kind, l.Operation)
	case kind == "" && (l.ChargeKey != "" || l.RefundID != ""):
		kind = string(payment.KindRefund)
	case kind == payment.OperationID{}.String():
		kind = string(payment.KindCharge)
	}
	id.Kind = payment.Kind(kind)
	switch {
	case !slices.Contains(payment.Kinds(), id.Kind):
		return id, fmt.Errorf("the kind %.40q is not known: use charge, capture, void or refund", kind)
	case id.IsCharge() && l.ChargeKey != "":
		return id, errors.New("is of a charge, and has a charge_key: leave it out, or name the kind")
	case id.Kind != payment.KindRefund && l.RefundID != "":
		return id, fmt.Errorf("is of a %s, and has a refund_id: leave it out, or use the kind refund", id)
	case l.RefundID != "":
		return payment.ParseRefundID(l.RefundID)
	}
	return id, nil
}

// listed is a line of the list that is to be imported.
type listed struct {
	payment.Import

	status string
	// voidKey is the key of the void that ended the hold of a charge; empty if there was none.
	voidKey payment.GatewayKey
	// undecided: the gateway has not decided yet.
	undecided bool
}

// readGatewayList reads a list as charges, then captures and voids, then refunds. others is the number of lines without
// anything to add: of what moved no money, and of what a later line decides.
func readGatewayList(name string, file io.Reader, parse func(listLine) (listed, bool, error)) (all []listed, others int, err error) {
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, maxLine)
	number, seen := 0, make(ownerOf)
	for lines.Scan() {
		number++
		l, err := readListLine(lines.Bytes())
		var item listed
		moved := false
		if err == nil {
			item, moved, err = parse(l)
		}
		if err == nil && moved {
			err = seen.add(item.Import)
		}
		switch {
		case err != nil:
			return nil, 0, &listError{line: number, problem: err.Error()}
		case !moved:
			others++
		default:
			all = append(all, item)
		}
	}
	switch err := lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return nil, 0, &listError{line: number + 1, problem: fmt.Sprintf("has more than %d bytes; a line must have one charge", maxLine)}
	case err != nil:
		return nil, 0, fmt.Errorf("the list %s cannot be read: %s", name, cause.Of(err))
	}
	decided, superseded := decide(all)
	return decided, others + superseded, nil
}

// listKey names a gateway key among those of its kind, or one of its transactions. A gateway that has forgotten a key
// may have several.
type listKey struct {
	kind        payment.Kind
	key         payment.GatewayKey
	transaction string
}

// rank is how much a line with the status says about a transaction. A line is of no use beside one of a higher rank.
func (l listed) rank() int {
	switch l.status {
	case "authorized":
		return 1
	case "succeeded":
		return 2
	}
	return 3 // voided, returned
}

// decide returns the lines that others do not decide, in the order of their import, and the voids that lines of charges
// name. superseded counts the others.
func decide(all []listed) (decided []listed, superseded int) {
	highest, known := make(map[listKey]int), make(map[listKey]bool)
	for _, l := range all {
		if l.undecided {
			continue
		}
		at := listKey{l.Operation.Kind, l.Key, l.TransactionID}
		highest[at] = max(highest[at], l.rank())
		known[listKey{kind: at.kind, key: at.key}] = true
		if l.voidKey != "" {
			known[listKey{kind: payment.KindVoid, key: l.voidKey}] = true
		}
	}
	for _, l := range all {
		at := listKey{l.Operation.Kind, l.Key, l.TransactionID}
		if l.undecided && known[listKey{kind: at.kind, key: at.key}] || !l.undecided && l.rank() < highest[at] {
			superseded++
			continue
		}
		decided = append(decided, l)
		if l.voidKey != "" {
			decided = append(decided, l.void())
		}
	}
	order := []payment.Kind{payment.KindCharge, payment.KindCapture, payment.KindVoid, payment.KindRefund}
	slices.SortStableFunc(decided, func(a, b listed) int {
		return cmp.Compare(slices.Index(order, a.Operation.Kind), slices.Index(order, b.Operation.Kind))
	})
	return decided, superseded
}

// void returns the void that ended the hold of a charge. It has no transaction of its own: its key takes the place.
func (l listed) void() listed {
	v := l
	v.Operation, v.Of.Key, v.Key, v.TransactionID = payment.OperationID{Kind: payment.KindVoid}, l.Key, l.voidKey, string(l.voidKey)
	v.Capture, v.Hold, v.voidKey = "", false, ""
	return v
}

// listError is a line that cannot be imported. It hides the type of its cause, because a wrong field in the list
// is not a wrong setting.
type listError struct {
	line    int
	problem string
}

// Error names the line.
func (e *listError) Error() string { return fmt.Sprintf("line %d: %s", e.line, e.problem) }

// ownerOf has the operations of a list, by what identifies one: its key, and its transaction among those of its kind.
type ownerOf map[string]payment.Ref

// add returns an error if the import has the key or the transaction of another operation. A refund may lack its name.
func (seen ownerOf) add(i payment.Import) error {
	own := payment.Ref{OrderID: i.OrderID, Operation: i.Operation}
	for _, id := range []struct{ name, of, value string }{
		{"key", "", string(i.Key)}, {"transaction_id", string(i.Operation.Kind), i.TransactionID},
	} {
		if id.value == "" {
			continue
		}
		at := id.name + " " + id.of + " " + id.value
		before, found := seen[at]
		switch {
		case !found, before.OrderID == own.OrderID && before.Operation.Kind == own.Operation.Kind && before.Operation.Name == "":
			seen[at] = own
		case before.OrderID != own.OrderID:
			return fmt.Errorf("the %s %q is also that of order %s: one charge is for one order; compare both with the gateway", id.name, id.value, before.OrderID)
		case before.Operation != own.Operation && (before.Operation.Kind != own.Operation.Kind || own.Operation.Name != ""):
			return fmt.Errorf("the %s %q is also that of the %s of the order: each has its own; compare both with the gateway", id.name, id.value, before.Operation)
		}
	}
	return nil
}
