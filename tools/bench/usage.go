package main

// usage adds up what was used between readings, and the payments made there.
type usage struct {
	payments    float64
	seconds     float64
	statements  float64
	counters    map[string]float64
	cpu         map[string]float64 // seconds
	machine     float64            // seconds
	allocated   float64
	allocations float64
}

// add adds what was used from one reading to another, in which so many payments were made.
func (u *usage) add(from, to reading, payments int) {
	if u.counters == nil {
		u.counters, u.cpu = make(map[string]float64), make(map[string]float64)
	}
	u.payments += float64(payments)
	u.seconds += to.at.Sub(from.at).Seconds()
	u.statements += to.counters["Questions"] - from.counters["Questions"] - statementsOfReading
	for name := range to.counters {
		u.counters[name] += to.counters[name] - from.counters[name]
	}
	for name := range to.cpu {
		u.cpu[name] += (to.cpu[name] - from.cpu[name]).Seconds()
	}
	u.machine += (to.machine - from.machine).Seconds()
	u.allocated += to.allocated - from.allocated
	u.allocations += to.allocations - from.allocations
}

// cost is what a payment takes.
type cost struct {
	// Of the database server.
	Commits       float64 `json:"commits"`
	Statements    float64 `json:"statements"`
	Flushes       float64 `json:"flushes"`
	LogBytes      float64 `json:"log_bytes"`
	ReceivedBytes float64 `json:"received_bytes"`
	SentBytes     float64 `json:"sent_bytes"`

	// Of the service, where it has one.
	AllocatedBytes float64 `json:"allocated_bytes,omitempty"`
	Allocations    float64 `json:"allocations,omitempty"`

	// Of each process, microseconds of a processor.
	CPU map[string]float64 `json:"cpu_us"`
	// Busy is how many processors all of them kept at work, on average.
	Busy float64 `json:"busy_processors"`
	// Elsewhere is how many were at work for somebody else, whom the figures should not have.
	Elsewhere float64 `json:"busy_elsewhere"`
}

// each returns what one payment took.
func (u usage) each() cost {
	c := cost{CPU: make(map[string]float64)}
	if u.payments == 0 {
		return c
	}
	c.Commits = u.counters[commitCounter] / u.payments
	c.Statements = u.statements / u.payments
	c.Flushes = u.counters["Innodb_data_fsyncs"] / u.payments
	c.LogBytes = u.counters["Innodb_os_log_written"] / u.payments
	c.ReceivedBytes = u.counters["Bytes_received"] / u.payments
	c.SentBytes = u.counters["Bytes_sent"] / u.payments
	c.AllocatedBytes = u.allocated / u.payments
	c.Allocations = u.allocations / u.payments
	for name, seconds := range u.cpu {
		c.CPU[name] = seconds * 1e6 / u.payments
		c.Busy += seconds / u.seconds
	}
	c.Elsewhere = max(0, u.machine/u.seconds-c.Busy)
	return c
}
