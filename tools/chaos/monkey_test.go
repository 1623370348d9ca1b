package chaos_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/stretchr/testify/require"

	"paymentd/app/apptest"
)

// monkey breaks things, one after the other, and mends each before the next.
type monkey struct {
	world  *world
	random *rand.Rand
	done   map[string]int // how often each fault was made

	afterDatabase, afterGateway, afterReplica []time.Duration
}

func newMonkey(w *world, seed uint64) *monkey {
	return &monkey{world: w, random: rand.New(rand.NewPCG(seed, 1)), done: make(map[string]int)}
}

// toxics are the faults of a connection, as toxiproxy has them, with times in milliseconds.
var toxics = map[string]string{
	"latency":    `{"name":"x","type":"latency","stream":"%s","attributes":{"latency":700,"jitter":600}}`,
	"reset":      `{"name":"x","type":"reset_peer","stream":"%s","attributes":{"timeout":30}}`,
	"black hole": `{"name":"x","type":"timeout","stream":"%s","attributes":{"timeout":0}}`,
	"slow close": `{"name":"x","type":"slow_close","stream":"%s","attributes":{"delay":900}}`,
}

// names are in an order of their own, for the seed to mean the same every time.
var names = []string{"latency", "reset", "black hole", "slow close"}

func (m *monkey) run(t *testing.T, lasts time.Duration) {
	t.Helper()
	faults := []struct {
		name string
		make func(*testing.T)
	}{
		{"replica killed", m.killReplica},
		{"replica paused", m.pauseReplica},
		{"database killed", m.killDatabase},
		{"gateway killed", m.killGateway},
		{"link", m.breakLink},
		{"link", m.breakLink},
		{"door", m.breakDoor},
		{"intermediary", m.answerInBetween},
		{"intermediary", m.answerInBetween},
	}
	for end := time.Now().Add(lasts); time.Now().Before(end); {
		fault := faults[m.random.IntN(len(faults))]
		m.done[fault.name]++
		fault.make(t)
		m.wait(1500)
	}
}

// wait lets the world go on for up to some milliseconds.
func (m *monkey) wait(atMost int) {
	time.Sleep(time.Duration(m.random.IntN(atMost)) * time.Millisecond)
}

// killReplica kills a replica in the middle of a payment, and measures when another one has
// ended it. Nobody asks again for the payment.
func (m *monkey) killReplica(t *testing.T) {
	t.Helper()
	i := m.random.IntN(replicas)
	victim, witness := m.world.replicas[i], m.world.replicas[(i+1)%replicas]
	order := fmt.Sprintf("rescue-%d", m.random.Uint64())
	go apptest.Pay(t.Context(), victim.URL, order, slowAmount) // its answer is lost with the replica
	apptest.Eventually(t, calmLimit, func() error {
		if p, err := apptest.Find(t.Context(), witness.URL, order); err != nil || p.State == "" {
			return fmt.Errorf("order %s is not claimed: %w", order, err)
		}
		return nil
	})
	victim.Kill()
	killed := time.Now()
	apptest.Eventually(t, calmLimit, func() error {
		p, err := apptest.Find(t.Context(), witness.URL, order)
		if err == nil && p.State != "succeeded" {
			err = fmt.Errorf("order %s is %s", order, p.State)
		}
		return err
	})
	m.afterReplica = append(m.afterReplica, time.Since(killed))
	m.world.replicas[i] = victim.Restart(t)
	m.world.replicas[i].WaitReady(t)
}

func (m *monkey) pauseReplica(t *testing.T) {
	t.Helper()
	r := m.world.replicas[m.random.IntN(replicas)]
	r.Pause(t)
	m.wait(8000) // often past the lease
	r.Resume(t)
}

func (m *monkey) killDatabase(t *testing.T) {
	t.Helper()
	require.NoError(t, m.world.database.Kill())
	killed := time.Now()
	m.wait(2000)
	require.NoError(t, m.world.database.Restart(t.Context()))
	m.afterDatabase = append(m.afterDatabase, m.freshPayment(t, killed))
}

func (m *monkey) killGateway(t *testing.T) {
	t.Helper()
	m.world.gateway.Kill()
	killed := time.Now()
	m.wait(2000)
	m.world.gateway = m.world.gateway.Restart(t)
	m.afterGateway = append(m.afterGateway, m.freshPayment(t, killed))
}

// freshPayment returns how long it takes, since then, until a new payment succeeds.
func (m *monkey) freshPayment(t *testing.T, since time.Time) time.Duration {
	t.Helper()
	order := fmt.Sprintf("fresh-%d", m.random.Uint64())
	apptest.Eventually(t, calmLimit, func() error {
		ctx, cancel := context.WithTimeout(t.Context(), clientLimit)
		defer cancel()
		a := apptest.Pay(ctx, m.world.replicas[m.random.IntN(replicas)].URL, order, plainAmount)
		if a.Code != http.StatusOK {
			return fmt.Errorf("pay %s: %v", order, a)
		}
		return nil
	})
	return time.Since(since)
}

func (m *monkey) breakLink(t *testing.T) {
	t.Helper()
	m.poison(t, m.world.links[m.random.IntN(len(m.world.links))])
}

func (m *monkey) breakDoor(t *testing.T) {
	t.Helper()
	m.poison(t, m.world.doors[m.random.IntN(len(m.world.doors))])
}

func (m *monkey) poison(t *testing.T, p *toxiproxy.Proxy) {
	t.Helper()
	name := names[m.random.IntN(len(names))]
	stream := []string{"upstream", "downstream"}[m.random.IntN(2)]
	m.done[name]++
	_, err := p.Toxics.AddToxicJson(strings.NewReader(fmt.Sprintf(toxics[name], stream)))
	require.NoError(t, err)
	m.wait(5000)
	require.NoError(t, p.Toxics.RemoveToxic(t.Context(), "x"))
}
