package history

import (
	"strings"

	"github.com/anishathalye/porcupine"
)

// order is what the sequential service knows about one order.
type order struct {
	stands        stand
	amount        string
	transactionID string
	// asked holds, a rune each, the Posts that were accepted and are not answered.
	asked string
}

type stand string

const (
	unknown stand = "unknown" // no request has named it
	// open: the service is processing it, and may complete it with any outcome. The moment is not visible:
	// the first answer with an outcome defines it.
	open      stand = "open"
	succeeded stand = "succeeded" // for ever
	declined  stand = "declined"  // until a Post opens it again
	failed    stand = "failed"    // as declined
)

// ends maps an answer to the state of the order that it implies.
var ends = map[Response]stand{Pending: open, Success: succeeded, Declined: declined, Failed: failed}

// step is what happens at one instant. A Post is two steps: it is accepted, and it is answered. Between the
// two the order is visibly open.
type step struct {
	Operation

	takenIn bool
	post    rune // names the Post
}

// service is the sequential service of one order.
func service() porcupine.Model {
	m := porcupine.NondeterministicModel{
		Init: func() []any { return []any{order{stands: unknown}} },
		Step: func(state, input, _ any) (next []any) {
			o, s := state.(order), input.(step) //nolint:forcetypeassert // porcupine hands back what it was given
			take := o.get
			switch {
			case s.takenIn:
				take = o.takeIn
			case s.Kind == Post:
				take = o.answer
			}
			for _, n := range take(s) {
				next = append(next, n)
			}
			return next
		},
	}
	return m.ToModel()
}

// takeIn returns the possible states of the order after a Post was accepted: it may have opened the order,
// or have found another request and waited.
func (o order) takeIn(s step) []order {
	if s.Response != Nothing {
		o.asked += string(s.post)
	}
	switch {
	case o.stands == unknown:
		opened := o
		opened.stands, opened.amount = open, s.Amount
		return []order{o, opened}
	case o.amount == s.Amount && (o.stands == declined || o.stands == failed):
		opened := o
		opened.stands = open
		return []order{o, opened}
	}
	return []order{o}
}

// answer returns the possible states of the order after the answer to a Post; none if the answer is
// wrong.
func (o order) answer(s step) []order {
	if s.Response == Mismatch {
		if o.stands == unknown || o.amount == s.Amount {
			return nil
		}
		return []order{o}
	}
	if !strings.ContainsRune(o.asked, s.post) || o.stands == unknown || o.amount != s.Amount {
		return nil
	}
	o.asked = strings.ReplaceAll(o.asked, string(s.post), "")
	switch {
	case s.Response == Busy:
		return []order{o} // no word on the payment, and it may come late
	case s.Response == Success && o.stands == succeeded && !s.Replayed:
		return nil // charged for this Post, and it had been charged
	}
	return o.shown(s)
}

// get returns the possible states of the order after the answer to a Get.
func (o order) get(s step) []order {
	if s.Response == NotFound {
		if o.stands == unknown {
			return []order{o}
		}
		return nil
	}
	if o.stands == unknown || o.amount != s.Amount {
		return nil
	}
	return o.shown(s)
}

// shown returns the possible states of the order if a read shows this answer.
func (o order) shown(s step) []order {
	end, known := ends[s.Response]
	switch {
	case !known:
		return nil
	case o.stands == open:
		o.stands, o.transactionID = end, s.TransactionID
		return []order{o}
	case o.stands == end && o.transactionID == s.TransactionID:
		return []order{o}
	}
	return nil
}
