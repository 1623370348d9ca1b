package portstest

import (
	"cmp"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
	"paymentd/ports"
)

// requireSame fails if two payments differ in anything that is stored. Times are equal if they are the
// same instant.
func requireSame(t testing.TB, want, got payment.Payment) {
	t.Helper()
	require.Equal(t, plain(want), plain(got))
}

// plain returns p with its times in UTC and without what is not stored.
func plain(p payment.Payment) payment.Payment {
	p.SeenAt, p.TakenOver, p.Keys = time.Time{}, false, nil // keys are compared in the history
	p.Attempt = plainAttempt(p.Attempt)
	for _, at := range []*time.Time{&p.DueAt, &p.CreatedAt, &p.UpdatedAt, &p.HoldExpires} {
		*at = plainTime(*at)
	}
	p.KeySent, p.Doubt = plainInstant(p.KeySent), plainDoubt(p.Doubt)
	return p
}

func plainInstant(i payment.Instant) payment.Instant {
	return payment.Instant{DB: plainTime(i.DB), Worker: plainTime(i.Worker)}
}

func plainDoubt(d payment.Doubt) payment.Doubt {
	d.Unanswered, d.Latest = plainInstant(d.Unanswered), plainInstant(d.Latest)
	return d
}

func plainKeys(keys []payment.Key) []payment.Key {
	var plain []payment.Key
	for _, k := range keys {
		k.Sent, k.Look, k.Doubt = plainInstant(k.Sent), plainInstant(k.Look), plainDoubt(k.Doubt)
		k.DueAt, k.ClosedAt, k.WatchUntil = plainTime(k.DueAt), plainTime(k.ClosedAt), plainTime(k.WatchUntil)
		plain = append(plain, k)
	}
	slices.SortFunc(plain, func(a, b payment.Key) int { return cmp.Compare(a.Key, b.Key) })
	return plain
}

func plainAttempt(a payment.Attempt) payment.Attempt {
	a.StartedAt, a.EndedAt = plainTime(a.StartedAt), plainTime(a.EndedAt)
	return a
}

func plainEvent(e payment.Event) payment.Event {
	e.At = plainTime(e.At)
	return e
}

func plainHistory(h ports.History) ports.History {
	h.Payment, h.Keys = plain(h.Payment), plainKeys(h.Keys)
	h.Attempts = slices.Clone(h.Attempts)
	for i, a := range h.Attempts {
		h.Attempts[i] = plainAttempt(a)
	}
	h.Events = slices.Clone(h.Events)
	for i, e := range h.Events {
		h.Events[i] = plainEvent(e)
	}
	h.Operations = slices.Clone(h.Operations)
	for i, operation := range h.Operations {
		h.Operations[i] = plainHistory(operation)
	}
	return h
}

func plainTime(at time.Time) time.Time {
	if at.IsZero() {
		return time.Time{}
	}
	return at.UTC().Round(0).Truncate(time.Microsecond) // without a monotonic reading
}

// kinds returns the kinds of the events.
func kinds(events []payment.Event) []payment.EventKind {
	var ks []payment.EventKind
	for _, e := range events {
		ks = append(ks, e.Kind)
	}
	return ks
}

// classes returns the classes of the attempts.
func classes(attempts []payment.Attempt) []payment.Class {
	var cs []payment.Class
	for _, a := range attempts {
		cs = append(cs, a.Class)
	}
	return cs
}

// requireGapless fails unless attempts and events, also of the other operations, are numbered from 1 without
// gaps.
func requireGapless(t testing.TB, h ports.History) {
	t.Helper()
	for i, a := range h.Attempts {
		require.Equal(t, i+1, a.Number, "number of an attempt")
	}
	for i, e := range h.Events {
		require.Equal(t, i+1, e.Number, "number of an event")
	}
	require.Len(t, h.Attempts, h.Payment.Attempts())
	require.Len(t, h.Events, h.Payment.Events)
	for _, operation := range h.Operations {
		requireGapless(t, operation)
	}
}
