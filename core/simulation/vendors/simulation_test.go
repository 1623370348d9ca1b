package vendors

import (
	"flag"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/fake"
	"paymentd/core"
	"paymentd/core/payment"
)

var (
	seedFlag  = flag.Uint64("seed", 0, "run this seed alone")
	seedsFlag = flag.Uint64("seeds", sampleSeeds, "run the seeds from 1 to this")
)

const (
	replicaSlots = 3
	clients      = 4
	orders       = 6
)

// simulation is one seed: several replicas and clients, and gateways of any kinds, with faults at random.
type simulation struct {
	*world

	seed        uint64
	faultPeriod time.Duration
	rate        float64 // of faults of requests; a tenth of it of writes

	mu    sync.Mutex
	nth   map[string]int
	slots [replicaSlots]*replica
	all   []*replica
}

// random is a source of random numbers for one decision or one actor. They depend on the seed and the name alone.
func (s *simulation) random(name ...any) *rand.Rand {
	h := fnv.New64a()
	_, _ = fmt.Fprintln(h, name...) // never an error: package hash
	return rand.New(rand.NewPCG(s.seed, h.Sum64()))
}

// faults reports whether there are still faults.
func (s *simulation) faults() bool { return time.Since(s.began) < s.faultPeriod }

// count returns how often something has happened, this time included.
func (s *simulation) count(what string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nth[what]++
	return s.nth[what]
}

// TestSimulation runs seeds. Each draws one to three gateways.
func TestSimulation(t *testing.T) {
	t.Parallel()
	first, last := uint64(1), *seedsFlag
	if *seedFlag > 0 {
		first, last = *seedFlag, *seedFlag
	}
	seen := make(map[string]int)
	for seed := first; seed <= last; seed++ {
		synctest.Test(t, func(t *testing.T) {
			s := newSimulation(t, seed)
			err := s.run()
			s.close()
			require.NoError(t, err, "seed %d of %s: go test ./core/simulation/vendors -run TestSimulation -v -seed=%d\n%s",
				seed, s.names(), seed, s.story())
			seen["gateways: "+s.names()]++
			for _, r := range s.answered() {
				seen[fmt.Sprintf("answers to %ss: %s", r.Operation, r.State)]++
			}
			if *seedFlag > 0 {
				t.Log(s.story())
			}
		})
	}
	t.Logf("%d seeds: %v", last-first+1, seen)
}

func newSimulation(t *testing.T, seed uint64) *simulation {
	t.Helper()
	s := &simulation{seed: seed, nth: make(map[string]int)}
	draw := s.random("settings")
	var of []kind
	for len(of) < 1+draw.IntN(3) {
		if k := kinds[draw.IntN(len(kinds))]; k != kindSquare && len(of) < 2 || !slices.Contains(of, k) {
			of = append(of, k)
		}
	}
	folder := ledgerFolder(t)
	s.world = newWorld(t, folder, of...)
	s.faultPeriod, s.rate = time.Duration(30+draw.IntN(90))*time.Second, 0.05+0.4*draw.Float64()
	s.faultOfCall = s.drawCallFault
	s.faultOfRequest = s.drawRequestFault
	return s
}

func (s *simulation) names() string {
	var all []string
	for _, h := range s.hosts {
		name, _, _ := strings.Cut(string(h.name), ":")
		all = append(all, strings.TrimRight(name, "-0123456789"))
	}
	return strings.Join(all, ", ")
}

func (s *simulation) drawCallFault(by *replica, c fake.Call) fake.Fault {
	if !s.faults() || !c.Writes {
		return nil
	}
	draw := s.random("call", by.name, c.Method, c.OrderID, s.count(by.name+c.Method+string(c.OrderID)))
	if draw.Float64() > s.rate/10 {
		return nil
	}
	if i := draw.IntN(len(callFaults) + 2); i < len(callFaults) {
		s.note("%s of %s for %s: %s", c.Method, by.name, c.OrderID, callFaults[i].name)
		return callFaults[i].fault(by)
	}
	if draw.IntN(2) == 0 {
		return fake.FailBefore
	}
	return fake.FailAfter
}

func (s *simulation) drawRequestFault(by *replica, h *host, r *http.Request) requestFault {
	what := fmt.Sprint(by.name, h.name, r.Method, r.URL.Path)
	draw := s.random("request", what, s.count(what))
	if !s.faults() || draw.Float64() > s.rate {
		time.Sleep(time.Duration(1+draw.IntN(300)) * time.Millisecond)
		return nil
	}
	i := draw.IntN(len(requestFaults))
	s.note("%s %s of %s to %s: %s", r.Method, r.URL.Path, by.name, h.name, requestFaults[i].name)
	return requestFaults[i].fault
}

// run runs the clients with faults, then waits without faults until everything is final, and checks it.
func (s *simulation) run() error {
	var slots, all sync.WaitGroup
	over := make(chan struct{})
	for i := range replicaSlots {
		slots.Go(func() { s.slot(i, over) })
	}
	slots.Go(func() { s.outages(over) })
	for i := range clients {
		all.Go(func() { s.client(i) })
	}
	all.Wait()
	time.Sleep(time.Until(s.began.Add(s.faultPeriod)))
	for waited := 0; waited < 600 && !s.allFinal(); waited++ {
		time.Sleep(time.Second)
	}
	close(over)
	slots.Wait()
	for _, r := range s.all {
		r.stop()
	}
	return s.check(orderIDs()...)
}

func orderIDs() (all []payment.OrderID) {
	for i := range orders {
		all = append(all, payment.OrderID(fmt.Sprintf("order-%d", i+1)))
	}
	return all
}

func (s *simulation) allFinal() bool {
	all := true
	for _, id := range orderIDs() {
		s.decidePending(id)
		all = s.final(id) && all
	}
	return all
}

// slot runs one replica after the other. Some are killed at random.
func (s *simulation) slot(i int, over <-chan struct{}) {
	draw := s.random("slot", i)
	for {
		r := s.start()
		r.runQueue()
		s.mu.Lock()
		s.slots[i], s.all = r, append(s.all, r)
		s.mu.Unlock()
		for killed := false; !killed; {
			select {
			case <-time.After(time.Duration(draw.ExpFloat64() * float64(40*time.Second))):
				if killed = s.faults(); killed {
					r.crash()
				}
			case <-r.gone:
				killed = true
			case <-over:
				return
			}
		}
		select {
		case <-time.After(time.Duration(50+draw.IntN(10_000)) * time.Millisecond):
		case <-over:
			return
		}
	}
}

// outages let one gateway after the other refuse connections for a while.
func (s *simulation) outages(over <-chan struct{}) {
	draw := s.random("outages")
	for s.faults() {
		select {
		case <-time.After(time.Duration(draw.ExpFloat64() * float64(30*time.Second))):
		case <-over:
			return
		}
		h := s.hosts[draw.IntN(len(s.hosts))]
		h.away.Store(true)
		time.Sleep(time.Duration(1+draw.IntN(20)) * time.Second)
		h.away.Store(false)
	}
}

// client asks for charges and other operations of any order, and repeats a request until it is over.
func (s *simulation) client(number int) {
	draw := s.random("client", number)
	for range 12 {
		q := s.request(draw)
		for range 1 + draw.IntN(8) {
			s.mu.Lock()
			r := s.slots[draw.IntN(replicaSlots)]
			s.mu.Unlock()
			if r != nil && !r.inactive() {
				if answer, answered := r.ask(q); answered && answer.over() {
					break
				}
			}
			s.decidePending(q.OrderID)
			time.Sleep(time.Duration(100+draw.IntN(3000)) * time.Millisecond)
		}
		time.Sleep(time.Duration(draw.IntN(4000)) * time.Millisecond)
	}
}

// request draws a request: an order always has the same amount, behaviour and capture.
func (s *simulation) request(draw *rand.Rand) core.Request {
	i := draw.IntN(orders)
	is := s.random("order", i)
	b := behaviours[is.IntN(len(behaviours))]
	held := is.IntN(2) == 0 && b == approves
	q := pay(b)
	if held {
		q = hold()
	}
	switch kind := draw.IntN(6); {
	case kind < 3:
	case kind == 3:
		q = refund(fmt.Sprintf("r-%d", 1+draw.IntN(3)), "45.00")
	case kind == 4 && held:
		q = operation(payment.KindCapture, "", "60.00")
	case kind == 5 && held && is.IntN(2) == 0:
		q = operation(payment.KindVoid, "", "")
	}
	q.OrderID, q.Async = orderIDs()[i], draw.IntN(5) == 0
	return q
}
