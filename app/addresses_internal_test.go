package app

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/fake"
	"paymentd/app/config"
	"paymentd/app/gateways"
	"paymentd/core/payment"
	"paymentd/ports"
)

// addressed is a gateway with an address.
type addressed struct {
	gateways.Gateway

	address string
}

func (a addressed) Address() string { return a.address }

// failing are addresses that cannot be read while down is set.
type failing struct {
	ports.GatewayAddresses

	down atomic.Bool
}

func (f *failing) Find(ctx context.Context, id payment.GatewayID) (string, error) {
	if f.down.Load() {
		return "", ports.ErrUnavailable
	}
	return f.GatewayAddresses.Find(ctx, id)
}

// While the database is away, no gateway is called: its address may be that of another system.
func TestAddresses_DatabaseAway_GatewayIsNotCalled(t *testing.T) {
	t.Parallel()
	for name, before := range map[string]string{"same": "https://a", "refused": "https://b"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				payments := fake.NewPayments()
				stored := &failing{GatewayAddresses: payments.GatewayAddresses()}
				_, err := stored.Replace(t.Context(), "bank", "", before)
				require.NoError(t, err)
				require.NoError(t, payments.Heartbeat(t.Context(), "another"))
				open := OpenGateway{Gateway: addressed{address: "https://a"}}
				open.Options.ID = "bank"
				a := &addresses{
					cfg: config.Config{HeartbeatTimeout: time.Hour}, gateways: OpenGateways{open}, stored: stored, payments: payments,
					log: slog.New(slog.DiscardHandler), refused: make(chan error, 1),
				}
				stored.down.Store(true)
				require.NoError(t, a.start(t.Context()))
				defer a.stop()

				adapter := fake.NewGateway()
				gateway := checkedGateway{adapter, a}
				require.Equal(t, payment.ClassNotCharged, gateway.Charge(t.Context(), payment.Charge{}).Class)
				require.Equal(t, payment.FoundNoAnswer, gateway.LookUp(t.Context(), payment.ChargeRef{}).Result)
				require.Equal(t, payment.FoundNoAnswer, gateway.Cancel(t.Context(), payment.ChargeRef{}).Result)
				require.Empty(t, adapter.Attempts())

				stored.down.Store(false)
				time.Sleep(2 * migrateInterval)
				synctest.Wait()
				if require.Equal(t, before == "https://a", a.checked.Load()); !a.checked.Load() {
					var wrong *config.SettingError
					require.ErrorAs(t, <-a.refused, &wrong)
				}
			})
		})
	}
}
