package simulation

import "time"

// outage is a period during which something is unavailable.
type outage struct{ from, to time.Time }

type outages []outage

// outages draws periods of unavailability, from now on, with a mean time between them.
func (w *world) outages(what string, every time.Duration) (all outages) {
	end := w.began.Add(w.faultPeriod)
	if every == 0 {
		return nil
	}
	s := w.stream(what)
	for at := time.Now(); ; {
		from := at.Add(s.about(every))
		if from.After(end) {
			return all
		}
		at = from.Add(s.between(200*time.Millisecond, 4*time.Minute))
		all = append(all, outage{from, at})
		w.trace.add("outage", "", "%s: from %v to %v", what, from.Sub(w.began), at.Sub(w.began))
	}
}

// now reports whether an outage is on, and which.
func (all outages) now() (n int, bad bool) {
	now := time.Now()
	for n, s := range all {
		if !now.Before(s.from) && now.Before(s.to) {
			return n, true
		}
	}
	return 0, false
}

// moveClocks steps the database's clock forward and back.
func (w *world) moveClocks() {
	if w.jump == 0 {
		return
	}
	s, off := w.stream("clock"), time.Duration(0)
	for w.faultsActive() && w.sleep(s.about(2*time.Minute)) {
		next := time.Duration((2*s.Float64() - 1) * float64(w.jump))
		w.audit.moveClock(next - off)
		off = next
		w.trace.add("clock", "", "the database's clock is off by %v", off)
	}
}
