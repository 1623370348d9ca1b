package stripefake

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// line is one line of the ledger: all changes of one request, which therefore happen together.
type line struct {
	Intents []*intentRecord `json:"intents,omitempty"`
	Refund  *refundRecord   `json:"refund,omitempty"`
	Saved   *saved          `json:"saved,omitempty"`
}

// openLedger reads a ledger into the state. An incomplete last line was never answered, and is removed.
func openLedger(path string, s *state) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600) //nolint:gosec // the file that the caller names
	if err != nil {
		return nil, err
	}
	whole := int64(0)
	for lines := bufio.NewReader(file); ; {
		text, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			break
		}
		var l line
		if err == nil {
			err = json.Unmarshal(text, &l)
		}
		if err != nil {
			_ = file.Close()
			return nil, fmt.Errorf("byte %d: %w", whole, err)
		}
		s.apply(l)
		whole += int64(len(text))
	}
	if err := file.Truncate(whole); err != nil {
		_ = file.Close()
		return nil, err
	}
	return file, nil
}

func (s *state) apply(l line) {
	for _, i := range l.Intents {
		if s.Intents[i.ID] == nil {
			s.Order = append(s.Order, i.ID)
		}
		s.Intents[i.ID] = i
	}
	if l.Refund != nil {
		if s.Refunds[l.Refund.ID] == nil {
			s.RefundOrder = append(s.RefundOrder, l.Refund.ID)
		}
		s.Refunds[l.Refund.ID] = l.Refund
	}
	if l.Saved != nil {
		s.Keys[l.Saved.Key] = *l.Saved
	}
}

// persist appends the changes of an answer to the ledger, and then makes them. The kernel has the line when
// Write returns, so that it survives the end of the process.
func (f *Fake) persist(r reply, key saved) reply {
	l := line{Intents: r.changed, Refund: r.refunded}
	if key.Key != "" && !r.unsaved {
		key.Status, key.Body, key.At = r.status, encode(r.body), f.options.Clock()
		l.Saved = &key
	}
	if len(l.Intents) == 0 && l.Refund == nil && l.Saved == nil {
		return r
	}
	if f.ledger != nil {
		if _, err := f.ledger.Write(append(encode(l), '\n')); err != nil {
			return fail(500, errorBody{Type: typeAPI, Message: "the ledger of the fake cannot be written: " + err.Error()})
		}
	}
	f.state.apply(l)
	return r
}
