package cli

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
	"paymentd/ports"
)

var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

func at(d time.Duration) time.Time { return noon.Add(d) }

// drawn returns the waterfall in 80 columns.
func drawn(t *testing.T, h ports.History) string {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, writeWaterfall(&out, h, 80))
	return out.String()
}

func attempt(number int, from, to time.Duration, class payment.Class) payment.Attempt {
	a := payment.Attempt{Number: number, StartedAt: at(from), Class: class}
	if to > 0 {
		a.EndedAt = at(to)
	}
	return a
}

func TestWaterfall_CallsPausesEventsAndRefunds(t *testing.T) {
	t.Parallel()
	h := ports.History{
		Payment: payment.Payment{OrderID: "order-1", State: payment.StateSucceeded, CreatedAt: at(0), SeenAt: at(48 * time.Hour)},
		Attempts: []payment.Attempt{
			attempt(1, 0, 2*time.Second, payment.ClassUnknownAnswered),
			attempt(2, 3*time.Second, 4*time.Second, payment.ClassApproved),
		},
		Events: []payment.Event{{Number: 1, Kind: payment.EventTakenOver, At: at(3 * time.Second)}},
		Operations: []ports.History{{
			Payment:  payment.Payment{OrderID: "order-1", Operation: payment.OperationID{Kind: payment.KindRefund, Name: "r-1"}, State: payment.StateSucceeded, CreatedAt: at(24 * time.Hour)},
			Attempts: []payment.Attempt{attempt(1, 24*time.Hour, 24*time.Hour+time.Second, payment.ClassApproved)},
		}},
	}
	require.Equal(t, strings.TrimPrefix(`
                      |-----------------~-------------| 0s to +24h0m1s
charge, attempt 1     ====                              +0s unknown_answered
charge, attempt 2        ..==                           +3s approved
taken_over                 ^                            +3s
refund r-1, attempt 1                               === +24h0m0s approved
~: a pause that is longer than drawn
`, "\n"), drawn(t, h))
}

func TestWaterfall_OpenPayment_ShowsWhatIsNext(t *testing.T) {
	t.Parallel()
	h := ports.History{
		Payment: payment.Payment{
			OrderID: "order-1", State: payment.StateUnresolved, CreatedAt: at(0), SeenAt: at(4 * time.Second), DueAt: at(8 * time.Second),
		},
		Attempts: []payment.Attempt{
			attempt(1, 0, 0, payment.ClassUnknownUnanswered), // its worker was lost
			attempt(2, 2*time.Second, 0, ""),
			{Number: 3, StartedAt: at(time.Minute)}, // planned
		},
	}
	require.Equal(t, strings.TrimPrefix(`
                  |-----------------------------------| 0s to +8s
charge, attempt 1 >                                     +0s unknown_unanswered
charge, attempt 2 .........>>>>>>>>>>                   +2s running
charge, next                        ................... +4s unresolved
`, "\n"), drawn(t, h))
}

func TestWaterfall_IsBounded(t *testing.T) {
	t.Parallel()
	h := ports.History{Payment: payment.Payment{OrderID: "order-1", State: payment.StateSucceeded, CreatedAt: at(0), SeenAt: at(time.Hour)}}
	require.Empty(t, drawn(t, h), "imported: nothing to draw")
	for i := range 1000 {
		begin := time.Duration(i) * time.Second
		h.Attempts = append(h.Attempts, attempt(i+1, begin, begin+time.Millisecond, payment.ClassNotCharged))
	}
	text := drawn(t, h)
	require.Equal(t, maxBars+2, strings.Count(text, "\n"))
	require.Contains(t, text, "and 800 more\n")
}

func TestProgress_WithoutATotal(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	p := &progress{out: &out}
	p.show("archived", 12_345, -1)
	p.show("archived", 12_346, -1) // a moment later
	p.end()
	require.Equal(t, clearLine+"archived: 12,345"+clearLine, out.String())
	require.Nil(t, newProgress(&out, false).out, "not a terminal")
}
