package sandbox_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/sandbox"
	"paymentd/core/payment"
	"paymentd/ports"
)

var _ ports.Ledger = (*sandbox.Reader)(nil)

func openReader(t testing.TB, path string) *sandbox.Reader {
	t.Helper()
	r, err := sandbox.OpenReader(path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.Close()) })
	return r
}

// A reader follows the ledger of a sandbox that is in use, and has the same list, lookups and identity.
func TestReader_FollowsTheLedger(t *testing.T) {
	t.Parallel()
	path := ledgerPath(t)
	g := open(t, path)
	r := openReader(t, path)
	require.Equal(t, g.Capabilities(), r.Capabilities())
	requireAsGateway := func(keys int) {
		q := payment.LedgerQuery{From: time.Now().Add(-time.Hour), To: time.Now().Add(time.Hour)}
		want, _ := readAll(t, g, q)
		got, _ := readAll(t, r, q)
		require.Len(t, got, keys)
		for i := range want {
			require.WithinDuration(t, want[i].Created, got[i].Created, 0)
			want[i].Created, got[i].Created = time.Time{}, time.Time{}
		}
		require.Equal(t, want, got)
		for _, key := range []payment.GatewayKey{"key-1", "key-2", "key-3", "key-9"} {
			require.Equal(t, g.LookUp(t.Context(), payment.ChargeRef{Key: key}), r.LookUp(t.Context(), payment.ChargeRef{Key: key}))
		}
	}
	requireAsGateway(0)
	g.Charge(t.Context(), charge(t, "key-1", "100"))
	g.Charge(t.Context(), charge(t, "key-2", "9402"))
	requireAsGateway(2)
	g.Charge(t.Context(), charge(t, "key-3", "9201"))
	requireAsGateway(3)
	g.Cancel(t.Context(), payment.ChargeRef{Key: "key-3"})
	requireAsGateway(3)
	require.Equal(t, payment.FoundVoided, r.LookUp(t.Context(), payment.ChargeRef{Key: "key-3"}).Result)
}

func TestReader_ChangesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	missing := filepath.Join(dir, "missing.ledger")
	_, err := sandbox.OpenReader(missing)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.NoFileExists(t, missing)

	path := filepath.Join(dir, "torn.ledger")
	g := open(t, path)
	g.Charge(t.Context(), charge(t, "key-1", "100"))
	require.NoError(t, g.Close())
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	torn := slices.Concat(whole, whole[:len(whole)/2])
	require.NoError(t, os.WriteFile(path, torn, 0o600))
	r := openReader(t, path)
	require.Equal(t, payment.FoundApproved, r.LookUp(t.Context(), payment.ChargeRef{Key: "key-1"}).Result)
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, torn, content, "a line may be being written")
}

func TestReader_RefusesWhatIsNoLedger(t *testing.T) {
	t.Parallel()
	path := ledgerPath(t)
	for content, want := range map[string]string{
		"hello, world\n": "is not a sandbox ledger",
		`{"key":"k","order_id":"","status":""}` + "\n": "is damaged at line 1",
	} {
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		_, err := sandbox.OpenReader(path)
		require.ErrorContains(t, err, want)
	}
	_, err := sandbox.OpenReader("")
	require.ErrorContains(t, err, "must have a path")
	_, err = sandbox.OpenReader(t.TempDir())
	require.ErrorContains(t, err, "is a folder")
}
