package history

import (
	"strings"

	"github.com/anishathalye/porcupine"
)

// order is what the sequential service knows of one order.
type order struct {
	stands        stand
	amount        string
	transactionID string
	// asked holds, a rune each, the Posts that have been taken in and not been answered.
	asked string
}

type stand string

const (
	unknown stand = "unknown" // nobody has asked for it
	// open: the service is at it, and may bring it to any end by itself. Nobody sees when:
	// the first to be told of an end is who brings it about here.
	open      stand = "open"
	succeeded stand = "succeeded" // for ever
	declined  stand = "declined"  // until a Post opens it again
	failed    stand = "failed"    // as declined
)

// ends are how an order stands of which this was told.
var ends = map[Told]stand{Pending: open, Success: succeeded, Declined: declined, Failed: failed}

// step is what happens at one instant. A Post is two of them: it is taken in, and it is
// answered. Between the two everybody can see that the order is open.
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

// takeIn returns how the order may stand when a Post has been taken in: it may have opened the
// order, or have found somebody at it and waited.
func (o order) takeIn(s step) []order {
	if s.Told != Nothing {
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

// answer returns how the order may stand after the answer to a Post; not at all where the
// answer is wrong.
func (o order) answer(s step) []order {
	if s.Told == Mismatch {
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
	case s.Told == Busy:
		return []order{o} // no word on the payment, and it may come late
	case s.Told == Success && o.stands == succeeded && !s.Replayed:
		return nil // charged for this Post, and it had been charged
	}
	return o.shown(s)
}

// get returns how the order may stand after the answer to a Get.
func (o order) get(s step) []order {
	if s.Told == NotFound {
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

// shown returns how the order may stand when it is shown to stand like this.
func (o order) shown(s step) []order {
	end, known := ends[s.Told]
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
