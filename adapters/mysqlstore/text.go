package mysqlstore

import (
	"context"
	"strings"
	"unicode/utf8"

	"paymentd/adapters/mysqlstore/internal/queries"
)

// textMode is how much of the free text of a change is written: the gateway's message, a reason, the
// detail of an event, the name of a person or a replica. A table or a server may refuse a text that
// the domain accepts (a column with another character set, or a shorter one). The outcome must be
// stored all the same, so the change is retried with less text.
type textMode int

const (
	fullText  textMode = iota
	asciiText          // other characters are replaced by question marks
	noText             // no text; names are cut to maxPlainName
)

// maxPlainName limits a name that replaces a refused one, in bytes.
const maxPlainName = 32

type textModeKey struct{}

// in returns a context in which changes are written in this mode.
func (m textMode) in(ctx context.Context) context.Context {
	if m == fullText {
		return ctx
	}
	return context.WithValue(ctx, textModeKey{}, m)
}

func textModeOf(ctx context.Context) textMode {
	m, _ := ctx.Value(textModeKey{}).(textMode)
	return m
}

func (m textMode) text(s string) string {
	switch m {
	case fullText:
		return s
	case asciiText:
		return toASCII(s)
	default:
		return ""
	}
}

func (m textMode) name(s string) string {
	if m == fullText {
		return s
	}
	s = toASCII(s)
	if m == noText {
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

func (m textMode) insert(row queries.InsertPaymentParams) queries.InsertPaymentParams {
	row.Replica, row.AttemptReplica = m.name(row.Replica), m.name(row.AttemptReplica)
	return row
}

func (m textMode) settle(row queries.SettlePaymentParams) queries.SettlePaymentParams {
	row.Reason, row.AttemptMessage = m.text(row.Reason), m.text(row.AttemptMessage)
	return row
}

func (m textMode) update(row queries.UpdatePaymentParams) queries.UpdatePaymentParams {
	row.Replica, row.AttemptReplica = m.name(row.Replica), m.name(row.AttemptReplica)
	row.Reason, row.AttemptMessage = m.text(row.Reason), m.text(row.AttemptMessage)
	return row
}

func (m textMode) attempt(row queries.InsertAttemptParams) queries.InsertAttemptParams {
	row.Replica, row.Message = m.name(row.Replica), m.text(row.Message)
	return row
}

func (m textMode) event(row queries.InsertEventParams) queries.InsertEventParams {
	row.Replica, row.Detail = m.name(row.Replica), m.text(row.Detail)
	return row
}
