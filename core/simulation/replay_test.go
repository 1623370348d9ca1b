//go:build !race

package simulation

import "testing"

// TestReplay runs seeds twice. Most of them must give exactly the same events: about four of five do. See "What a seed
// determines" of the package.
func TestReplay(t *testing.T) {
	const seeds = 40
	same := 0
	for seed := uint64(1); seed <= seeds; seed++ {
		once, again := simulate(t, seed, bug{}), simulate(t, seed, bug{})
		if once.events() == again.events() {
			same++
		}
	}
	t.Logf("%d of %d seeds replayed exactly", same, seeds)
	if same < seeds/2 {
		t.Errorf("only %d of %d seeds replayed exactly", same, seeds)
	}
}
