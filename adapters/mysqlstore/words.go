package mysqlstore

import (
	"context"
	"strings"
	"unicode/utf8"

	"paymentd/adapters/mysqlstore/internal/queries"
)

// wording is how much of the free text of a change is written: the gateway's message, a reason, the
// detail of an event, the name of a person or a replica. A table or a server may refuse a text that
// the domain accepts (a column with another character set, or a shorter one); that must not keep an
// outcome from being stored, so the change is repeated with fewer words.
type wording int

const (
	asGiven wording = iota
	inASCII         // every other character is a question mark
	without         // no text; names are cut to maxPlainName
)

// maxPlainName bounds a name that is written in place of one that was refused, in bytes.
const maxPlainName = 32

type wordingKey struct{}

// in returns a context in which changes are written with this wording.
func (w wording) in(ctx context.Context) context.Context {
	if w == asGiven {
		return ctx
	}
	return context.WithValue(ctx, wordingKey{}, w)
}

func wordingOf(ctx context.Context) wording {
	w, _ := ctx.Value(wordingKey{}).(wording)
	return w
}

func (w wording) text(s string) string {
	switch w {
	case asGiven:
		return s
	case inASCII:
		return toASCII(s)
	default:
		return ""
	}
}

func (w wording) name(s string) string {
	if w == asGiven {
		return s
	}
	s = toASCII(s)
	if w == without {
		s = s[:min(len(s), maxPlainName)]
	}
	return s
}

func toASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= utf8.RuneSelf || r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, s)
}

func (w wording) insert(row queries.InsertPaymentParams) queries.InsertPaymentParams {
	row.Replica, row.AttemptReplica = w.name(row.Replica), w.name(row.AttemptReplica)
	return row
}

func (w wording) settle(row queries.SettlePaymentParams) queries.SettlePaymentParams {
	row.Reason, row.AttemptMessage = w.text(row.Reason), w.text(row.AttemptMessage)
	return row
}

func (w wording) update(row queries.UpdatePaymentParams) queries.UpdatePaymentParams {
	row.Replica, row.AttemptReplica = w.name(row.Replica), w.name(row.AttemptReplica)
	row.Reason, row.AttemptMessage = w.text(row.Reason), w.text(row.AttemptMessage)
	return row
}

func (w wording) attempt(row queries.InsertAttemptParams) queries.InsertAttemptParams {
	row.Replica, row.Message = w.name(row.Replica), w.text(row.Message)
	return row
}

func (w wording) event(row queries.InsertEventParams) queries.InsertEventParams {
	row.Replica, row.Detail = w.name(row.Replica), w.text(row.Detail)
	return row
}
