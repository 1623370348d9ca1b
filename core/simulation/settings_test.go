package simulation

import (
	"time"

	"paymentd/adapters/resilience"
	"paymentd/core"
	"paymentd/core/payment"
)

// settings are everything that is drawn from the seed before a run. Each run has some kinds of faults
// and not others, because little happens if everything fails at once.
type settings struct {
	service        core.Settings // of every replica, but for its name
	retry          resilience.RetryOptions
	gatewayTimeout time.Duration
	gateway        capabilities
	sharedCommits  bool // of the payments that a replica claims and settles

	replicas, clients, requests, orders int
	// pause is the mean time between two requests of a client: from a burst for one order to an occasional
	// request.
	pause time.Duration

	faultPeriod   time.Duration // how long there are faults
	faults        faults
	gatewayFaults gatewayFaults
	// jump bounds the offset of the database's clock, and skew that of the replicas' clocks, in both
	// directions. Only one of the two is set in a run, so that one clock measures elapsed time correctly.
	jump, skew time.Duration
	// arrival is how long after the call of the core a charge may arrive at the gateway and take the money.
	// It is what PAYMENTD_LATE promises.
	arrival time.Duration
	// twoGateways: the replicas are not all configured for the same gateway.
	twoGateways bool
	// routed are the gateways of all replicas, with routes between them; none if each replica has one gateway.
	routed []routedGateway
	// largeFirst is the amount from which payments try the gateways in the reverse order; zero for none.
	largeFirst string
	// methods: requests name payment methods, and repeats sometimes another one.
	methods bool
	// returnURLs: each replica is configured with a return URL of its own, as before and after a change.
	returnURLs bool
	// events is the mean time between two events of the gateways; zero for none.
	events time.Duration
	// refunds: clients refund, and banks return some refunds.
	refunds bool
	// holds: some orders are only held, and clients capture and void them. Banks let some holds expire.
	holds bool
	// voids: clients void payments that are pending.
	voids bool
	// persons is the mean time between two acts of an operator; zero for none.
	persons time.Duration
	// blackout is how long a replica may stay down; zero for a short time.
	blackout time.Duration
}

// capabilities are what the gateway can prove, and how it behaves.
type capabilities struct {
	payment.Capabilities

	// lag is how long lookups really do not see a charge.
	lag time.Duration
}

// lagsLonger reports whether lookups lag for longer than the gateway declares.
func (c capabilities) lagsLonger() bool { return c.lag > c.LookupLag }

// faults are the faults of replicas and connections. Probabilities are per call; durations are the mean
// time between two faults, zero for never.
type faults struct {
	crash, lose, fail, delay, hang float64

	crashes, pauses, stops          time.Duration
	databaseOutages, gatewayOutages time.Duration
	// One replica cannot reach the database, or only its heartbeats cannot.
	cutOffs, mutes time.Duration
}

// gatewayFaults are the weights of what the gateway does with an attempt, outside of its outages.
type gatewayFaults struct {
	approve, decline, refuse, unavailable, stumble, lose, late, slow, reject float64
	between, running, uncharged, duplicate, pending                          float64
	// noAnswer is the probability that an intermediary answers a lookup.
	noAnswer float64
}

func draw(seed uint64) settings {
	s := newStream(seed, "settings")
	set := settings{
		service:        drawService(s),
		retry:          resilience.RetryOptions{MaxRetries: one(s, 0, 1, 1, 2, 3, 3, 3), Delay: time.Second},
		gatewayTimeout: s.between(2*time.Second, 10*time.Second),
		replicas:       one(s, 1, 2, 2, 3, 3, 3, 4),
		clients:        2 + s.IntN(6),
		requests:       3 + s.IntN(13),
		orders:         1 + s.IntN(10),
		faultPeriod:    s.between(2*time.Minute, 40*time.Minute),
		faults:         drawFaults(s),
		gatewayFaults:  drawGatewayFaults(s),
	}
	set.sharedCommits = newStream(seed, "shared commits").chance(0.5)
	set.pause = s.between(200*time.Millisecond, set.faultPeriod/time.Duration(set.requests))
	set.service.GatewayTimeout, set.service.MaxBackoff = set.gatewayTimeout, set.retry.MaxBackoff()
	set.arrival = set.service.Late - time.Second
	set.gateway = drawGateway(newStream(seed, "gateway"), set)
	switch s := newStream(seed, "clocks"); s.IntN(4) {
	case 0:
		set.jump = s.between(time.Second, 72*time.Hour)
	case 1:
		set.skew = s.between(time.Second, 72*time.Hour)
	}
	set.twoGateways = set.replicas > 1 && newStream(seed, "two gateways").chance(0.15)
	if s := newStream(seed, "persons"); s.chance(0.3) {
		set.persons = s.between(10*time.Second, 5*time.Minute)
	}
	drawRoutes(seed, &set)
	if s := newStream(seed, "blackouts"); set.gateway.KeyLifetime > 0 && s.chance(0.6) {
		set.blackout = s.between(time.Minute, 2*set.gateway.KeyLifetime)
	}
	return set
}

// drawGateway draws what the gateway can prove. Half of the gateways are as the gateway protocol has it.
func drawGateway(s stream, set settings) capabilities {
	c := capabilities{Capabilities: payment.Capabilities{
		Gateway: "fake:", LooksUp: true, LookupForgets: true,
	}}
	c.Repeat, c.SavesDeclines = drawRepeat(s), !s.chance(0.1)
	if s.chance(0.3) {
		c.KeyLifetime = set.service.Late + set.gatewayTimeout + s.between(20*time.Second, 20*time.Minute)
		c.LookupForgets = s.chance(0.8)
	}
	if s.chance(0.3) {
		c.LookupLag = s.between(100*time.Millisecond, set.service.Late/2)
		c.lag = c.LookupLag
	}
	if s.chance(0.15) {
		c.lag = c.LookupLag + s.between(time.Second, set.service.Late/2-2*time.Second)
	}
	return c
}

func drawService(s stream) core.Settings {
	return core.Settings{
		Lease:            s.between(12*time.Second, 40*time.Second),
		Wait:             s.between(time.Second, 12*time.Second),
		Late:             s.between(time.Minute, 8*time.Minute),
		LookupFirst:      s.between(2*time.Second, 10*time.Second),
		LookupMax:        one(s, 30*time.Second, 2*time.Minute, 15*time.Minute),
		Workers:          1 + s.IntN(4),
		Poll:             s.between(time.Second, 15*time.Second),
		HeartbeatTimeout: s.between(4*time.Second, 20*time.Second),
		DeferredRetries:  one(s, nil, nil, []time.Duration{time.Minute}, []time.Duration{30 * time.Second, 5 * time.Minute}),
	}
}

func drawFaults(s stream) faults {
	some := func(chance float64) float64 {
		if s.chance(0.5) {
			return 0
		}
		return s.Float64() * chance
	}
	every := func(low, high time.Duration) time.Duration {
		if s.chance(0.5) {
			return 0
		}
		return s.between(low, high)
	}
	return faults{
		crash: some(0.08), lose: some(0.1), fail: some(0.1), delay: some(0.15), hang: some(0.1),
		crashes:         every(20*time.Second, 10*time.Minute),
		pauses:          every(20*time.Second, 10*time.Minute),
		stops:           every(10*time.Second, 5*time.Minute),
		databaseOutages: every(30*time.Second, 10*time.Minute),
		gatewayOutages:  every(20*time.Second, 10*time.Minute),
		cutOffs:         every(20*time.Second, 5*time.Minute),
		mutes:           every(10*time.Second, 5*time.Minute),
	}
}

func drawGatewayFaults(s stream) gatewayFaults {
	some := func(weight float64) float64 {
		if s.chance(0.4) {
			return 0
		}
		return s.Float64() * weight
	}
	m := gatewayFaults{
		approve: one(s, 0.1, 0.5, 1.0), decline: some(0.5), refuse: some(0.7), unavailable: some(0.5),
		stumble: some(0.4), lose: some(0.4), late: some(0.5), slow: some(0.5), reject: some(0.1),
		between: some(0.4), running: some(0.1), uncharged: some(0.2), duplicate: some(0.5), pending: some(0.05),
		noAnswer: some(0.2),
	}
	if s.chance(0.4) { // one fault more often than the others
		*one(s, &m.decline, &m.refuse, &m.refuse, &m.unavailable, &m.late, &m.slow) += 1 + 4*s.Float64()
	}
	return m
}

// drawRepeat draws what a repeat of a key gets.
func drawRepeat(s stream) payment.Repeat {
	honoursKeys, savesErrors := !s.chance(0.15), s.chance(0.15)
	switch {
	case !honoursKeys:
		return payment.RepeatCharges
	case savesErrors:
		return payment.RepeatFirstAnswer
	}
	return payment.RepeatFirstSuccess
}
