package simulation
import ("testing";"slices")
func TestTmp(t *testing.T) {
	for _, b := range slices.Concat(bugsUnderTheLock(), bugsOfTheQueue(), bugsAtTheGateway(), bugsOfTheWorker()) {
		b.unaudited = true
		found := false
		for seed := uint64(1); seed <= 150 && !found; seed++ {
			if out := simulate(t, seed, b); out.finding != nil {
				t.Logf("%s: found by seed %d with: %.100s", b.name, seed, out.finding.what)
				found = true
			}
		}
		if !found { t.Logf("%s: NOT", b.name) }
	}
}
