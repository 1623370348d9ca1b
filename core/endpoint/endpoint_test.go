package endpoint_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/endpoint"
	"paymentd/core/payment"
)

var now = time.Date(2026, 1, 31, 16, 0, 0, 0, time.UTC)

// The intervals grow, and the last attempt is three days after the first, or a little more.
func TestInterval_GrowsForThreeDays(t *testing.T) {
	t.Parallel()
	var elapsed, before time.Duration
	attempts := 1
	for ; ; attempts++ {
		next, repeated := endpoint.Interval(attempts)
		if !repeated {
			break
		}
		require.GreaterOrEqual(t, next, before)
		require.LessOrEqual(t, next, endpoint.MaxInterval)
		elapsed, before = elapsed+next, next
	}
	require.GreaterOrEqual(t, elapsed, endpoint.GiveUpAfter)
	require.Less(t, elapsed, endpoint.GiveUpAfter+endpoint.MaxInterval)
	require.Less(t, attempts, 25)
	first, repeated := endpoint.Interval(0)
	require.True(t, repeated)
	require.Equal(t, 5*time.Second, first)
}

func TestDeliveryComplete(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		attempts int
		answer   endpoint.Answer
		want     endpoint.Completion
	}{
		"accepted":                {1, endpoint.Answer{Status: 299}, endpoint.Completion{Outcome: endpoint.OutcomeDelivered}},
		"a redirect":              {1, endpoint.Answer{Status: 301}, endpoint.Completion{DueIn: 5 * time.Second, HoldsOrder: true}},
		"refused often":           {5, endpoint.Answer{Status: 400}, endpoint.Completion{DueIn: 30 * time.Minute}},
		"not served, also often":  {8, endpoint.Answer{Status: 503}, endpoint.Completion{DueIn: 4 * time.Hour, HoldsOrder: true}},
		"no answer":               {2, endpoint.Answer{Problem: "refused"}, endpoint.Completion{DueIn: 30 * time.Second, HoldsOrder: true}},
		"given up":                {40, endpoint.Answer{Status: 429}, endpoint.Completion{Outcome: endpoint.OutcomeFailed}},
		"accepted after all that": {40, endpoint.Answer{Status: 200}, endpoint.Completion{Outcome: endpoint.OutcomeDelivered}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := endpoint.Delivery{Ref: endpoint.Ref{OrderID: "order-1"}, Fence: 3, Attempts: c.attempts}
			c.want.Ref, c.want.Fence, c.want.Answer = d.Ref, d.Fence, c.answer
			require.Equal(t, c.want, d.Complete(c.answer))
		})
	}
}

func TestAnswerSanitized(t *testing.T) {
	t.Parallel()
	a := endpoint.Answer{Status: 200, Body: "a\x00b\x1b[31m\xffé" + strings.Repeat("é", 300), Problem: "😀\n"}.Sanitized()
	require.Equal(t, "a b [31m?é", a.Body[:11])
	require.LessOrEqual(t, len(a.Body), endpoint.MaxAnswerBytes)
	require.Equal(t, "  ", a.Problem, "columns of old servers have three bytes a character")
}

func TestChange_SwitchesOffAfterThreeDays(t *testing.T) {
	t.Parallel()
	e := endpoint.New("https://shop.example/", endpoint.Patterns{"*"})
	failed := endpoint.Change{Attempted: true, Failed: true}
	e, write, err := failed.Apply(e, now)
	require.NoError(t, err)
	require.True(t, write)
	require.Equal(t, now, e.FailingSince)

	unchanged, write, err := failed.Apply(e, now.Add(endpoint.SwitchOffAfter-time.Second))
	require.NoError(t, err)
	require.False(t, write)
	require.Equal(t, e, unchanged)

	off, write, err := failed.Apply(e, now.Add(endpoint.SwitchOffAfter))
	require.NoError(t, err)
	require.True(t, write)
	require.Equal(t, endpoint.StateSwitchedOff, off.State)
	_, write, err = failed.Apply(off, now.Add(2*endpoint.SwitchOffAfter))
	require.NoError(t, err)
	require.False(t, write)

	on, _, err := endpoint.Change{State: endpoint.StateActive}.Apply(off, now.Add(100*time.Hour))
	require.NoError(t, err)
	require.True(t, on.FailingSince.IsZero(), "three days begin anew")

	back, _, err := failed.Apply(e, now.Add(-time.Hour))
	require.NoError(t, err)
	require.Equal(t, now.Add(-time.Hour), back.FailingSince, "the clock has stepped back")
}

func TestSecrets_OverlapEnds(t *testing.T) {
	t.Parallel()
	e := endpoint.New("https://shop.example/", nil)
	first, second := e.Secret, endpoint.NewSecret()
	e, _, err := endpoint.Change{Secret: second, Overlap: time.Hour}.Apply(e, now)
	require.NoError(t, err)
	e.SeenAt = now.Add(59 * time.Minute)
	require.Equal(t, []endpoint.Secret{second, first}, e.Secrets())
	e.SeenAt = now.Add(time.Hour)
	require.Equal(t, []endpoint.Secret{second}, e.Secrets())
	require.NotContains(t, second.String(), second.Reveal()[6:])
}

func TestRotation_WithinTheOverlap_IsRefused(t *testing.T) {
	t.Parallel()
	e := endpoint.New("https://shop.example/", nil)
	first, second := e.Secret, endpoint.NewSecret()
	rotation := endpoint.Change{Secret: second, Overlap: time.Hour}
	e, _, err := rotation.Apply(e, now)
	require.NoError(t, err)
	_, write, err := rotation.Apply(e, now)
	require.NoError(t, err, "it is safe to repeat")
	require.False(t, write)

	another := endpoint.Change{Secret: endpoint.NewSecret(), Overlap: time.Minute}
	same, write, err := another.Apply(e, now.Add(59*time.Minute))
	var refused *endpoint.OverlapError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, now.Add(time.Hour), refused.Until)
	require.ErrorContains(t, err, "signs until 2026-01-31T17:00:00Z")
	require.False(t, write)
	require.Equal(t, first, same.Previous)

	_, write, err = another.Apply(e, now.Add(time.Hour))
	require.NoError(t, err)
	require.True(t, write, "the overlap is over")
	another.EndOverlap = true
	after, _, err := another.Apply(e, now)
	require.NoError(t, err)
	require.Equal(t, second, after.Previous)
	after, _, err = endpoint.Change{Secret: endpoint.NewSecret()}.Apply(e, now)
	require.NoError(t, err, "a secret that has leaked")
	require.Empty(t, after.Previous.Reveal())
}

func TestParsePatterns(t *testing.T) {
	t.Parallel()
	patterns, err := endpoint.ParsePatterns("payment.succeeded, refund.*,payment.succeeded")
	require.NoError(t, err)
	require.Equal(t, endpoint.Patterns{"payment.succeeded", "refund.*"}, patterns)
	require.Equal(t, patterns, endpoint.ReadPatterns(patterns.String()))
	require.True(t, patterns.Match("refund.declined"))
	require.False(t, patterns.Match("payment.declined"))
	for _, text := range []string{"", "payment", "payment.succeeded,", "refunds.*"} {
		_, err := endpoint.ParsePatterns(text)
		require.Error(t, err, text)
	}
}

func TestCheckURL(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"tls://nats.example/payments", "nats://10.1.2.3:4222/shop.payments-1_b"} {
		require.NoError(t, endpoint.CheckURL(text))
		require.True(t, endpoint.New(text, nil).IsBus())
	}
	require.False(t, endpoint.New("https://shop.example/", nil).IsBus())
	for _, text := range []string{
		"https://shop.example:8443/hooks?shop=1", "https://shop.example./", "https://192.0.2.1/", "https://[2001:db8::1]:65535/",
		"http://hook_receiver:8080/", "https://xn--mnchen-3ya.example/", "https://1and1.example/", "https://SHOP.example:1/", "http://localhost/",
	} {
		require.NoError(t, endpoint.CheckURL(text), text)
	}
	for _, text := range []string{
		"", "shop.example", "ftp://shop.example/", "https://", "https://user@shop.example/", "https://a:b@shop.example/",
		"https://shop.example/#x", "https://shop.example/" + strings.Repeat("a", 2000), "https://shop example/", "javascript:alert(1)",
		"https://shop.example:99999/", "https://shop.example:0/", "https://shop.example:/", "https://a..b/", "https://.a/", "https://xn--/",
		"https://2130706433/", "https://0x7f000001/", "https://127.1/", "https://0177.0.0.1/", "https://127.0.0.0x1/", "https://1.2.3.4.5/",
		"https://-a.example/", "https://a-.example/", "https://münchen.example/", "https://[fe80::1%25eth0]/",
		"https://" + strings.Repeat("a", 64) + ".example/", "https://" + strings.Repeat("a.", 130) + "example/",
		"nats://nats.example", "nats://nats.example/", "nats://nats.example/a.*", "nats://nats.example/a.>", "nats://nats.example/$JS",
		"nats://nats.example/a..b", "nats://nats.example/a/b", "nats://nats.example/a?b", "nats://u:p@nats.example/a",
	} {
		require.Error(t, endpoint.CheckURL(text), text)
	}
}

// An endpoint that an earlier version has accepted stays readable.
func TestValidate_StoredURL(t *testing.T) {
	t.Parallel()
	require.NoError(t, endpoint.New("https://shop.example:99999/", nil).Validate())
	require.Error(t, endpoint.New("ftp://shop.example/", nil).Validate())
}

func TestIDIsValid(t *testing.T) {
	t.Parallel()
	require.True(t, endpoint.New("https://shop.example/", nil).ID.IsValid())
	for _, id := range []endpoint.ID{"", "ep_", "ep_0", "0a1b2c3d4e5f6071", "ep_0a1b2c3d4e5f607g", "ep_0A1B2C3D4E5F6071", "ep_0a1b2c3d4e5f60711"} {
		require.False(t, id.IsValid(), id)
	}
}

func TestSubscribersDeliveries(t *testing.T) {
	t.Parallel()
	all, off := endpoint.New("https://a.example/", endpoint.Patterns{"*"}), endpoint.New("https://b.example/", endpoint.Patterns{"*"})
	off.State = endpoint.StateSwitchedOff
	charge := payment.Payment{OrderID: "order-1", State: payment.StateSucceeded, UpdatedAt: now}
	refund := payment.Payment{
		OrderID: "order-1", State: payment.StateSucceeded, UpdatedAt: now,
		Operation: payment.OperationID{Kind: payment.KindRefund, Name: "r-1"},
	}
	changes := []payment.Change{{Type: refund.ChangeType(), Payment: refund}, {Type: charge.ChangeType(), Payment: charge}}
	asked := 0
	last := func() (int64, error) { asked++; return now.UnixMicro() + 5, nil }
	found, err := endpoint.Subscribers{all, off}.Deliveries(changes, last)
	require.NoError(t, err)
	require.Len(t, found, 2)
	require.Equal(t, endpoint.Ref{Endpoint: all.ID, OrderID: "order-1", Sequence: now.UnixMicro() + 6}, found[0].Ref)
	require.Equal(t, now.UnixMicro()+7, found[1].Sequence)
	require.Equal(t, 1, asked)
	found, err = endpoint.Subscribers{off}.Deliveries(changes, last)
	require.NoError(t, err)
	require.Empty(t, found)
	require.Equal(t, 1, asked, "without a subscriber nothing is read")
}
