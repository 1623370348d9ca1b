package console

import (
	"net/url"
	"strings"

	"paymentd/core/payment"
)

// maxSelected bounds how many payments one act is about.
const maxSelected = 50

// formatRef returns a payment or other operation in the form in which forms and addresses name it: the order id and,
// for an operation, its kind and name, with spaces between, which none of them contains.
func formatRef(ref payment.Ref) string {
	if ref.Operation.IsCharge() {
		return string(ref.OrderID)
	}
	return strings.TrimSuffix(string(ref.OrderID)+" "+string(ref.Operation.Kind)+" "+ref.Operation.Name, " ")
}

// parseRef is the reverse of formatRef. The error is a *payment.FieldError.
func parseRef(text string) (payment.Ref, error) {
	order, operation, other := strings.Cut(text, " ")
	id, err := payment.ParseOrderID(order)
	ref := payment.Ref{OrderID: id}
	if err != nil || !other {
		return ref, err
	}
	kind, name, _ := strings.Cut(operation, " ")
	ref.Operation = payment.OperationID{Kind: payment.Kind(kind), Name: name}
	if len(name) > payment.MaxOrderIDBytes {
		return ref, &payment.FieldError{Field: "ref", Message: "the id of the operation is too long"}
	}
	for _, known := range payment.Kinds() {
		if known == ref.Operation.Kind && known != payment.KindCharge {
			return ref, nil
		}
	}
	return ref, &payment.FieldError{Field: "ref", Message: "there is no such kind of operation"}
}

// orderOf returns the order in the path of a request, which is percent-encoded there.
func orderOf(v *visit) (payment.OrderID, error) {
	text, err := url.PathUnescape(v.Param("order_id"))
	if err != nil {
		return "", &payment.FieldError{Field: "order_id", Message: "the order id in the address must be percent-encoded"}
	}
	return payment.ParseOrderID(text)
}
