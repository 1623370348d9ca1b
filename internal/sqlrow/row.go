// Package sqlrow is what the SQL stores share in mapping their rows to the domain.
package sqlrow

import (
	"database/sql"
	"errors"
	"fmt"
	"time"

	"paymentd/core/payment"
	"paymentd/ports"
)

// unknownClock is stored for the worker's time of a key that the previous version sent.
const unknownClock = 1

// SentClock returns the column key_sent_clock: 0 if the key was not sent. The previous version
// leaves it NULL.
func SentClock(sent payment.Instant) sql.NullInt64 {
	switch {
	case sent.IsZero():
		return sql.NullInt64{Valid: true}
	case sent.Worker.IsZero():
		return sql.NullInt64{Int64: unknownClock, Valid: true}
	}
	return sql.NullInt64{Int64: max(unknownClock+1, sent.Worker.UnixMicro()), Valid: true}
}

// KeySent returns the moment at which a key was first sent, from its two stored times. It is zero if
// clock says that the key was not sent.
func KeySent(clock sql.NullInt64, stored payment.Instant) payment.Instant {
	switch clock.Int64 {
	case 0:
		return payment.Instant{}
	case unknownClock:
		stored.Worker = time.Time{}
	}
	return stored
}

// Flag returns the integer that stores a bool.
func Flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// CheckWrite returns an error if p could not be read back. It is not a [payment.StoredRowError],
// because the program is at fault and not the row.
func CheckWrite(p payment.Payment) error {
	if err := p.Validate(); err != nil {
		return errors.New("refuse to write a payment that could not be read back: " + err.Error())
	}
	return nil
}

// Collect appends row to rows, or err to unreadable if it is an E: one damaged row does not fail a
// list. It returns other errors.
func Collect[T any, E error](rows *[]T, unreadable *[]E, row T, err error) error {
	if damaged, ok := errors.AsType[E](err); ok {
		*unreadable = append(*unreadable, damaged)
		return nil
	}
	if err != nil {
		return err
	}
	*rows = append(*rows, row)
	return nil
}

// MapAll converts rows, and stops at the first error.
func MapAll[R, T any](rows []R, from func(R) (T, error)) (all []T, err error) {
	for _, row := range rows {
		one, err := from(row)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, nil
}

// AddHistories reads the histories of orders that have attempts or events, and adds those that can be
// archived to the page.
func AddHistories(
	page *ports.ArchivePage, query ports.ArchiveQuery, orders []payment.OrderID,
	read func(payment.OrderID) (ports.History, error),
) error {
	for _, id := range orders {
		h, err := read(id)
		if errors.Is(err, ports.ErrNotFound) {
			err = payment.NoPaymentError(id)
		}
		var readable []ports.History
		if err := Collect(&readable, &page.Unreadable, h, err); err != nil {
			return fmt.Errorf("order %q: %w", id, err)
		}
		if len(readable) > 0 && h.Archivable(query.Age) {
			page.Histories = append(page.Histories, h)
		}
	}
	return nil
}
