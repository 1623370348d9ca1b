package gatewaycheck_test

import (
	"context"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/httpgateway"
	"paymentd/adapters/sandbox"
	"paymentd/core/payment"
	"paymentd/internal/gatewaycheck"
	"paymentd/internal/leaktest"
	"paymentd/ports"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

func money(t testing.TB, amount, code string) payment.Money {
	t.Helper()
	currency, err := payment.ParseCurrency(code)
	require.NoError(t, err)
	m, err := payment.ParseMoney(amount, currency)
	require.NoError(t, err)
	return m
}

// subject returns what is charged at a specimen.
func subject(t testing.TB, g ports.Gateway) gatewaycheck.Subject {
	t.Helper()
	return gatewaycheck.Subject{
		Gateway: g, Approved: money(t, "1", "USD"), Method: "pm_1",
		Declined: money(t, specimenDeclined, "USD"), Slow: money(t, specimenSlow, "USD"),
		Hung: money(t, specimenHung, "USD"), Pending: money(t, specimenPending, "USD"),
		Whole: money(t, "100", "JPY"), Thousandths: money(t, "1", "KWD"),
		Timeout: 2 * time.Second, Wait: 600 * time.Millisecond,
	}
}

// examined is the result of the checks of one specimen.
type examined struct {
	failed, skipped []string
	findings        []gatewaycheck.Finding
	err             error
}

func examine(ctx context.Context, s gatewaycheck.Subject) (e examined) {
	e.findings, e.err = gatewaycheck.Run(ctx, s, func(gatewaycheck.Finding) {})
	for _, f := range e.findings {
		switch f.Result {
		case gatewaycheck.Fail:
			e.failed = append(e.failed, f.Check)
		case gatewaycheck.Skip:
			e.skipped = append(e.skipped, f.Check)
		case gatewaycheck.Pass:
		}
	}
	return e
}

// examineAll examines all specimens at once, because the checks wait most of the time.
func examineAll(t *testing.T, specimens map[string]gatewaycheck.Subject) map[string]examined {
	t.Helper()
	var (
		mu  sync.Mutex
		all sync.WaitGroup
		out = make(map[string]examined)
	)
	for name, s := range specimens {
		all.Go(func() {
			e := examine(t.Context(), s)
			mu.Lock()
			defer mu.Unlock()
			out[name] = e
		})
	}
	all.Wait()
	for name, e := range out {
		require.NoError(t, e.err, name)
		require.Len(t, e.findings, len(gatewaycheck.Names()), name)
		for _, f := range e.findings {
			require.NotEmpty(t, f.Found)
			require.NotEmpty(t, f.Proves)
			require.Equal(t, f.Result == gatewaycheck.Fail, f.Advice != "" && f.Result != gatewaycheck.Skip, "%s: %+v", name, f)
		}
	}
	return out
}

func newGateway(t *testing.T, base string, opts ...httpgateway.Option) *httpgateway.Gateway {
	t.Helper()
	g, err := httpgateway.New(base, 2*time.Second, opts...)
	require.NoError(t, err)
	t.Cleanup(g.Close)
	return g
}

// Each specimen lacks one property. The checks must find it, and name the sentence of the promise that it
// breaks; other checks may fail as well.
func TestRun_FindsEachFault(t *testing.T) {
	t.Parallel()
	day := httpgateway.WithKeyLifetime(24 * time.Hour)
	tests := map[string]struct {
		specimen *specimen
		options  []httpgateway.Option
		finds    string
		breaks   gatewaycheck.Promise
	}{
		"ignores keys":          {&specimen{ignoresKeys: true}, nil, "same key again", gatewaycheck.NeverTwice},
		"searches first":        {&specimen{searchesFirst: true}, nil, "same key at once", gatewaycheck.NeverTwice},
		"saves on the answer":   {&specimen{savesOnAnswer: true}, nil, "same key after a lost answer", gatewaycheck.NeverTwice},
		"charges another price": {&specimen{repricesKeys: true}, nil, "same key, other amount", gatewaycheck.NeverGuessed},
		"rejects another price": {&specimen{rejectsReuse: true}, nil, "same key, other amount", gatewaycheck.NeverGuessed},
		"forgets early":         {&specimen{forgetsAfter: 500 * time.Millisecond}, []httpgateway.Option{day}, "lifetime of a key", gatewaycheck.NeverTwice},
		"saves no decline":      {&specimen{unsavedDecline: true}, nil, "a declined charge", gatewaycheck.NeverLost},
		"has no mark":           {&specimen{unmarked: true}, nil, "an approved charge", gatewaycheck.NeverLost},
		"marks no errors":       {&specimen{unmarkedErrors: true}, nil, "the mark on every answer", gatewaycheck.NeverGuessed},
		"a router's 404":        {&specimen{routerLookups: true}, nil, "lookup of a new key", gatewaycheck.NeverGuessed},
		"finds nothing":         {&specimen{blindLookups: true}, nil, "lookup of a charge", gatewaycheck.NeverGuessed},
		"lags":                  {&specimen{lag: 300 * time.Millisecond}, nil, "lookup of a charge", gatewaycheck.NeverGuessed},
		"lags longer": {
			&specimen{lag: 300 * time.Millisecond},
			[]httpgateway.Option{httpgateway.WithLookupLag(100 * time.Millisecond)},
			"lookup of a charge", gatewaycheck.NeverGuessed,
		},
		"guesses while it charges": {&specimen{runningIs: "declined"}, nil, "lookup of a running charge", gatewaycheck.NeverGuessed},
		"one at a time":            {&specimen{oneAtATime: true}, nil, "a request that hangs", gatewaycheck.NeverLost},
		"charges damaged requests": {&specimen{lenient: true}, nil, "requests that are wrong", gatewaycheck.NeverTwice},
		"reads amounts as cents":   {&specimen{cents: true}, nil, "list of charges", gatewaycheck.NeverSilent},
		"lists too little":         {&specimen{lossy: true}, nil, "list of charges", gatewaycheck.NeverSilent},
		"lists a charge twice":     {&specimen{doubles: true}, nil, "list of charges", gatewaycheck.NeverSilent},
		"voids what has succeeded": {&specimen{voidsAll: true}, nil, "cancel after a success", gatewaycheck.NeverLost},
		"refunds twice":            {&specimen{refundsTwice: true}, nil, "refund, same key again", gatewaycheck.NeverTwice},
		"loses refunds":            {&specimen{losesRefunds: true}, nil, "refund, same key again", gatewaycheck.NeverTwice},
		"refunds too much":         {&specimen{overRefunds: true}, nil, "refund of more than is left", gatewaycheck.NeverTwice},
		"holds twice":              {&specimen{holdsTwice: true}, nil, "hold, same key again", gatewaycheck.NeverTwice},
		"captures twice":           {&specimen{capturesTwice: true}, nil, "capture, same key again", gatewaycheck.NeverTwice},
		"loses captures":           {&specimen{losesCaptures: true}, nil, "capture, same key again", gatewaycheck.NeverTwice},
		"loses voids":              {&specimen{losesCaptures: true}, nil, "void, same key again", gatewaycheck.NeverLost},
		"captures too much":        {&specimen{overCaptures: true}, nil, "capture of more than is held", gatewaycheck.NeverTwice},
		"captures again":           {&specimen{recaptures: true}, nil, "capture of more than is held", gatewaycheck.NeverTwice},
		"hides a part":             {&specimen{hidesParts: true}, nil, "capture of a part", gatewaycheck.NeverSilent},
		"declines a void again":    {&specimen{revoids: true}, nil, "void, same key again", gatewaycheck.NeverLost},
		"keeps what is voided":     {&specimen{keepsVoided: true}, nil, "void, same key again", gatewaycheck.NeverLost},
		"captures what is voided":  {&specimen{capturesVoided: true}, nil, "capture after a void", gatewaycheck.NeverTwice},
		"voids what is captured":   {&specimen{voidsCaptured: true}, nil, "void after a capture", gatewaycheck.NeverLost},
		"holds, and no captures":   {&specimen{noCaptures: true}, nil, "capture, same key again", gatewaycheck.NeverTwice},
		"revives what is voided":   {&specimen{revives: true}, nil, "cancel a pending charge", gatewaycheck.NeverTwice},
	}
	subjects := make(map[string]gatewaycheck.Subject)
	for name, tt := range tests {
		subjects[name] = subject(t, newGateway(t, tt.specimen.serve(t), tt.options...))
	}
	for name, got := range examineAll(t, subjects) {
		require.Contains(t, got.failed, tests[name].finds, "%s: %+v", name, got.findings)
		require.Contains(t, gatewaycheck.Broken(got.findings), tests[name].breaks, name)
	}
}

// A gateway that keeps the protocol passes, also if it declares what it lacks.
func TestRun_PassesAGatewayThatKeepsTheProtocol(t *testing.T) {
	t.Parallel()
	holds := []string{
		"hold, same key again", "capture, same key again", "capture of more than is held", "capture of a part", "void, same key again",
		"capture after a void", "void after a capture",
	}
	tests := map[string]struct {
		specimen *specimen
		options  []httpgateway.Option
		skips    []string
	}{
		"for ever":         {&specimen{}, nil, []string{"lifetime of a key"}},
		"shows processing": {&specimen{runningIs: "processing"}, nil, []string{"lifetime of a key"}},
		"forgets as declared": {
			&specimen{forgetsAfter: 5 * time.Second},
			[]httpgateway.Option{httpgateway.WithKeyLifetime(800 * time.Millisecond)},
			nil,
		},
		"lags as declared": {
			&specimen{lag: 300 * time.Millisecond},
			[]httpgateway.Option{httpgateway.WithLookupLag(time.Second)},
			[]string{"lifetime of a key"},
		},
		"without voids and list": {
			&specimen{noVoids: true, noList: true, noHolds: true}, nil,
			slices.Concat(holds, []string{"cancel a pending charge", "list of charges", "lifetime of a key"}),
		},
		"without holds": {&specimen{noHolds: true, noCaptures: true}, nil, slices.Concat(holds, []string{"lifetime of a key"})},
		"without holds, as declared": {
			&specimen{noHolds: true, noCaptures: true},
			[]httpgateway.Option{httpgateway.WithOperations(payment.OperationVoid | payment.OperationRefund)},
			slices.Concat(holds, []string{"lifetime of a key"}),
		},
		"without refunds": {
			&specimen{noRefunds: true}, nil,
			[]string{"refund, same key again", "refund of more than is left", "lifetime of a key"},
		},
	}
	subjects := make(map[string]gatewaycheck.Subject)
	for name, tt := range tests {
		subjects[name] = subject(t, newGateway(t, tt.specimen.serve(t), tt.options...))
	}
	for name, got := range examineAll(t, subjects) {
		require.Empty(t, got.failed, "%s: %+v", name, got.findings)
		require.Equal(t, tests[name].skips, got.skipped, "%s: %+v", name, got.findings)
		require.Empty(t, gatewaycheck.Broken(got.findings), name)
	}
}

// What is charged is at most what was announced.
func TestCharges_BoundsWhatIsCharged(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]*specimen{
		"honours keys": {}, "ignores keys": {ignoresKeys: true}, "holds nothing": {ignoresKeys: true, noHolds: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			subject := subject(t, newGateway(t, s.serve(t)))
			examine(t.Context(), subject)
			taken := make(map[string]int64)
			s.mu.Lock()
			defer s.mu.Unlock()
			for _, c := range s.all {
				if c.Status == "succeeded" {
					taken[c.Currency] += money(t, c.Amount, c.Currency).Minor()
				}
			}
			for _, sum := range gatewaycheck.Charges(subject) {
				limit := sum.Worst
				if name == "honours keys" {
					limit = sum.Expected
				}
				require.LessOrEqual(t, taken[limit.Currency().Code()], limit.Minor(), limit)
				require.Positive(t, taken[limit.Currency().Code()])
			}
		})
	}
}

// Without amounts that misbehave, and at an adapter that is not over HTTP, the checks that need them are
// skipped.
func TestRun_SkipsWhatCannotBeChecked(t *testing.T) {
	t.Parallel()
	g, err := sandbox.Open(filepath.Join(t.TempDir(), "ledger"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, g.Close()) })
	s := gatewaycheck.Subject{Gateway: g, Approved: money(t, "1", "USD"), Timeout: time.Second}
	got := examine(t.Context(), s)
	require.Empty(t, got.failed, "%+v", got.findings)
	require.Equal(t, []string{
		"a declined charge", "same key after a lost answer", "lookup of a running charge", "a request that hangs",
		"requests that are wrong", "an amount without decimals", "an amount with three decimals", "cancel a pending charge",
		"lifetime of a key",
	}, got.skipped)
}

// Nothing is charged at a gateway that cannot be reached, and the run ends with its context.
func TestRun_EndsWithItsContext(t *testing.T) {
	t.Parallel()
	s := subject(t, newGateway(t, "http://127.0.0.1:1"))
	got := examine(t.Context(), s)
	require.Equal(t, []string{"lookup of a new key", "an approved charge"}, got.failed)
	require.Len(t, slices.Concat(got.failed, got.skipped), len(gatewaycheck.Names()))

	ctx, cancel := context.WithCancel(t.Context())
	findings, err := gatewaycheck.Run(ctx, s, func(gatewaycheck.Finding) { cancel() })
	require.ErrorIs(t, err, context.Canceled)
	require.Len(t, findings, 1)
}
