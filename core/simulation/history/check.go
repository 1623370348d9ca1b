package history

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"
)

// ErrUndecided: the search did not finish in time.
var ErrUndecided = errors.New("the search for an order of the operations took too long")

// ImpossibleError is a history that no sequential service can have produced.
type ImpossibleError struct {
	OrderID    string
	Operations []Operation // of this order, by their calls
}

// Error prints the history, one operation a line.
func (e *ImpossibleError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "no order of the operations for %s explains the answers that the clients got:", e.OrderID)
	for _, op := range e.Operations {
		b.WriteString("\n  " + op.String())
	}
	return b.String()
}

// String prints the operation in one line, its times in nanoseconds.
func (op Operation) String() string {
	s := fmt.Sprintf("client %d: %s %s, called %d: ", op.Client, op.Kind, op.Amount, op.Call)
	if op.Response == Nothing {
		return s + "no answer"
	}
	s += fmt.Sprintf("returned %d: %s", op.Return, op.Response)
	if op.TransactionID != "" {
		s += " " + op.TransactionID
	}
	if op.Replayed {
		s += ", replayed"
	}
	return s
}

// Check reports whether a history is possible, order by order, with at most timeout for each.
// The error is nil, an *[ImpossibleError], or [ErrUndecided].
func Check(history []Operation, timeout time.Duration) error {
	byOrder := make(map[string][]Operation)
	for _, op := range history {
		byOrder[op.OrderID] = append(byOrder[op.OrderID], op)
	}
	for _, id := range slices.Sorted(maps.Keys(byOrder)) {
		switch porcupine.CheckOperationsTimeout(service(), operations(byOrder[id]), timeout) {
		case porcupine.Ok:
		case porcupine.Unknown:
			return fmt.Errorf("check the history of %s: %w", id, ErrUndecided)
		case porcupine.Illegal:
			slices.SortFunc(byOrder[id], func(a, b Operation) int { return cmp.Compare(a.Call, b.Call) })
			return &ImpossibleError{OrderID: id, Operations: byOrder[id]}
		}
	}
	return nil
}

// operations returns a history in porcupine's form. Operations that were not accepted, or show nothing,
// are left out. A Post without an answer may be accepted at any time: if it never was, it comes after all
// others.
func operations(history []Operation) []porcupine.Operation {
	ops := make([]porcupine.Operation, 0, 2*len(history))
	add := func(s step, until int64) {
		ops = append(ops, porcupine.Operation{ClientId: s.Client, Input: s, Call: s.Call, Return: until})
	}
	for i, op := range history {
		s := step{Operation: op, post: rune(i)}
		takenIn := s
		takenIn.takenIn = true
		switch {
		case op.Response == Unavailable:
		case op.Kind == Get && op.Response == Nothing:
		case op.Response == Nothing:
			add(takenIn, math.MaxInt64)
		case op.Kind == Get || op.Response == Mismatch:
			add(s, op.Return)
		default:
			add(takenIn, op.Return)
			add(s, op.Return)
		}
	}
	return ops
}
