package metrics

import (
	"cmp"

	"paymentd/core/payment"
)

// other is the label of values that are not known in advance.
const other = "other"

// family is the series of a metric with one label. All series exist from the start, so that a rate
// includes the first event, and so that no label is hashed during a payment.
type family[L ~string, S any] struct {
	known map[L]S
	other S
}

func familyOf[L ~string, S any](series func(...string) S, values ...L) family[L, S] {
	f := family[L, S]{known: make(map[L]S, len(values)), other: series(other)}
	for _, v := range values {
		f.known[v] = series(string(v))
	}
	return f
}

// of returns the series of a label's value.
func (f family[L, S]) of(value L) S {
	if s, ok := f.known[value]; ok {
		return s
	}
	return f.other
}

// labelOperation is the label with the kind of an operation.
const labelOperation = "operation"

// labelOf returns the value of that label: "charge", "capture", "void" or "refund".
func labelOf(k payment.Kind) string { return cmp.Or(string(k), "charge") }

// byKind is the series of a metric for each kind of operation.
type byKind[S any] map[payment.Kind]S

func byKindOf[S any](series func(operation string) S) byKind[S] {
	all := make(byKind[S])
	for _, k := range payment.Kinds() {
		all[k] = series(labelOf(k))
	}
	return all
}
