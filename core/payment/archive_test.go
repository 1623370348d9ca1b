package payment_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

func TestArchival_AddsOneEvent(t *testing.T) {
	t.Parallel()
	now := noon.Add(time.Hour)
	for _, state := range payment.States() {
		p := inState(t, state)
		p.Events = 2
		d, err := p.Archival("ada").Apply(p, now)
		if !state.Final() {
			require.ErrorIs(t, err, payment.ErrNotArchived, state)
			require.Equal(t, payment.Decision{}, d)
			continue
		}
		require.NoError(t, err, state)
		require.Equal(t, &payment.Event{
			Number: 3, Kind: payment.EventArchived, At: now, Replica: "ada", Fence: p.Fence,
			Detail: "events up to 2 and attempts before 1 are in the archive",
		}, d.Event)
		p.Events = 3
		require.Equal(t, p, d.Payment, "UpdatedAt is unchanged")
	}
}

func TestArchival_ChangedPaymentIsRefused(t *testing.T) {
	t.Parallel()
	read := inState(t, payment.StateDeclined)
	for name, change := range map[string]func(*payment.Payment){
		"claimed":  func(p *payment.Payment) { p.Fence++ },
		"an event": func(p *payment.Payment) { p.Events++ },
		"a refund": func(p *payment.Payment) { p.Operations++ },
		"in doubt": func(p *payment.Payment) { p.Doubt.Answered = true },
		"attempt":  func(p *payment.Payment) { p.Attempt.Number++ },
	} {
		p := read
		change(&p)
		_, err := read.Archival("ada").Apply(p, noon)
		require.ErrorIs(t, err, payment.ErrNotArchived, name)
	}
}

func TestArchivable_FinalAndOldEnough(t *testing.T) {
	t.Parallel()
	for _, state := range payment.States() {
		p := inState(t, state)
		p.SeenAt = p.UpdatedAt.Add(time.Hour)
		require.False(t, p.Archivable(time.Hour), state)
		p.SeenAt = p.SeenAt.Add(time.Microsecond)
		require.Equal(t, state.Final(), p.Archivable(time.Hour), state)
	}
}
