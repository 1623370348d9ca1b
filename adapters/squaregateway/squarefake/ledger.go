package squarefake

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// record is a payment with its refunds, or a declined request, as the ledger has it. A line has the whole record; the
// last line of a record counts.
type record struct {
	Number int    `json:"number"` // from 1
	ID     string `json:"id"`     // empty for a decline without a payment

	Key           string    `json:"idempotency_key"`
	Request       string    `json:"request"` // the body that made it
	ReferenceID   string    `json:"reference_id"`
	Note          string    `json:"note"`
	Source        string    `json:"source_id"`
	Amount        int64     `json:"amount"`
	Approved      int64     `json:"approved"` // the amount at the creation
	Currency      string    `json:"currency"`
	Status        string    `json:"status"`
	Errors        []Error   `json:"errors,omitempty"`
	Version       int       `json:"version"`
	CreatedAt     time.Time `json:"created_at"`
	UpdatedAt     time.Time `json:"updated_at"`
	DelayDuration string    `json:"delay_duration"`
	DelayAction   string    `json:"delay_action"`
	DelayedUntil  time.Time `json:"delayed_until"`

	// Updates are those of UpdatePayment, oldest first.
	Updates []update `json:"updates,omitempty"`

	// Refunds are the payment's, oldest first.
	Refunds []*refundRecord `json:"refunds,omitempty"`

	// History has the earlier states, oldest first.
	History []state `json:"history"`
}

// state is the state that a payment had from a moment on.
type state struct {
	Status string    `json:"status"`
	Since  time.Time `json:"since"`
}

// ledger is the file of all records, one JSON object per line, append-only.
type ledger struct{ file *os.File }

// openLedger opens or creates the file and calls restore with each record. A last line that the death of
// a process left incomplete is cut off: its request was not answered.
func openLedger(path string, restore func(record)) (*ledger, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600) //nolint:gosec // the test names it
	if err != nil {
		return nil, fmt.Errorf("squarefake: open ledger: %w", err)
	}
	size := int64(0)
	for lines := bufio.NewReader(file); ; {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("squarefake: read ledger: %w", err), file.Close())
		}
		var r record
		if err := json.Unmarshal(bytes.TrimSpace(line), &r); err != nil {
			return nil, errors.Join(fmt.Errorf("squarefake: the ledger is damaged: %w", err), file.Close())
		}
		restore(r)
		size += int64(len(line))
	}
	if err := file.Truncate(size); err != nil {
		return nil, errors.Join(fmt.Errorf("squarefake: truncate ledger: %w", err), file.Close())
	}
	return &ledger{file}, nil
}

// restore adds a record of the ledger, or replaces its earlier line.
func (s *Server) restore(r record) {
	if r.Number <= len(s.payments) {
		*s.payments[r.Number-1] = r
		s.rememberRefunds(s.payments[r.Number-1])
		return
	}
	s.remember(&r)
}

func (s *Server) remember(r *record) {
	s.payments = append(s.payments, r)
	s.byKey[r.Key] = r
	if r.ID != "" {
		s.byID[r.ID] = r
	}
	s.rememberRefunds(r)
}

// save appends the record to the file. Its caller answers only after that. The operating system keeps
// what was written if the process is killed, so that the file is not synced.
func (s *Server) save(r *record) error {
	if s.ledger == nil {
		return nil
	}
	line, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("squarefake: encode record: %w", err)
	}
	if _, err := s.ledger.file.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("squarefake: write ledger: %w", err)
	}
	return nil
}

// change sets the state of a payment, now, and saves it.
func (s *Server) change(r *record, status string) error { return s.changeAt(r, status, s.now()) }

func (s *Server) changeAt(r *record, status string, at time.Time) error {
	r.Status, r.UpdatedAt = status, at
	r.Version++
	r.History = append(r.History, state{status, at})
	return s.save(r)
}

// expire applies the delay action of a payment that is held, once its time has come.
func (s *Server) expire(r *record) {
	if r.Status != statusApproved || r.DelayedUntil.IsZero() || s.now().Before(r.DelayedUntil) {
		return
	}
	status := statusCanceled
	if r.DelayAction == "COMPLETE" {
		status = statusCompleted
	}
	_ = s.changeAt(r, status, r.DelayedUntil) // if it is not saved, it expires again after a restart
}
