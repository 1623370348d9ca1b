package payment

import (
	"math"
	"time"
)

// Instant is one moment by two clocks, the database's and the worker's. Either may step, and the two
// may differ by any amount, so each is only compared with itself. A component that was not recorded is
// zero and is ignored. If two moments have no clock in common, no time has certainly passed between
// them, and any amount may have.
type Instant struct {
	DB     time.Time
	Worker time.Time
}

// IsZero reports whether neither clock was recorded.
func (i Instant) IsZero() bool { return i.DB.IsZero() && i.Worker.IsZero() }

// Elapsed is the time that has certainly passed between i and now: the smaller by the two clocks. A
// clock that stepped forward does not make it larger.
func (i Instant) Elapsed(now Instant) time.Duration {
	smaller, _ := i.elapsed(now)
	return smaller
}

// Age is the time that may have passed between i and now: the larger by the two clocks.
func (i Instant) Age(now Instant) time.Duration {
	_, larger := i.elapsed(now)
	return larger
}

func (i Instant) elapsed(now Instant) (smaller, larger time.Duration) {
	db, worker := now.DB.Sub(i.DB), now.Worker.Round(0).Sub(i.Worker.Round(0))
	noDB := i.DB.IsZero() || now.DB.IsZero()
	noWorker := i.Worker.IsZero() || now.Worker.IsZero()
	switch {
	case noDB && noWorker:
		return 0, math.MaxInt64
	case noDB:
		return worker, worker
	case noWorker:
		return db, db
	}
	return min(db, worker), max(db, worker)
}

// Clamp returns i with each component that lies more than ahead in the future of its clock replaced by
// that clock's current time. The clock has stepped back since, and what is timed from i would otherwise last for
// as long as the step.
func (i Instant) Clamp(now Instant, ahead time.Duration) Instant {
	if !now.DB.IsZero() && i.DB.After(now.DB.Add(ahead)) {
		i.DB = now.DB
	}
	if !now.Worker.IsZero() && i.Worker.After(now.Worker.Add(ahead)) {
		i.Worker = now.Worker
	}
	return i
}

// Later returns the later of two moments, by each clock.
func (i Instant) Later(j Instant) Instant {
	if j.DB.After(i.DB) {
		i.DB = j.DB
	}
	if j.Worker.After(i.Worker) {
		i.Worker = j.Worker
	}
	return i
}
