package core

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"paymentd/core/payment"
)

// watchInterval is how often the leader of a flight reads the row while another worker holds the
// claim.
const watchInterval = 100 * time.Millisecond

// errHeld: another worker holds the claim. The leader of the flight waits for its outcome.
var errHeld = errors.New("another worker holds the claim")

// flights keeps one flight per order, or per other operation of it, that requests of this process wait for. A
// thousand requests for one order cost the database one claim, or one read every watchInterval.
type flights struct {
	timeout time.Duration // of a request that sets none
	stop    <-chan struct{}
	find    func(context.Context, payment.Ref) (payment.Payment, error)
	refuse  func(context.Context, Request) error // of a request for another amount; returns ErrMismatch
	held    func(*payment.Payment) bool          // whether a worker holds the claim

	watching atomic.Int64 // requests that watch another worker

	mu    sync.Mutex
	byRef map[payment.Ref]*flight
}

// flight is the concurrent requests for one order. The request that takes the token from leadership is
// the leader: it does the work, or watches another worker that holds the claim. The other requests are
// followers. A flight completes once, when there is a result to share. If its leader returns before
// that, a follower becomes the leader.
type flight struct {
	flights *flights
	ref     payment.Ref

	leadership chan struct{} // holds a token while the flight has no leader
	watched    bool          // the previous leader was watching another worker; guarded by the token
	known      chan struct{} // closed once latest is set: the order's amount is known
	done       chan struct{} // closed once result and err are set

	// The fields below are guarded by flights.mu, except result and err after done.
	members int
	latest  *payment.Payment // the row as last read; replaced, never modified
	readAt  time.Time
	result  result
	err     error
}

// result is the payment by which requests are answered.
type result struct {
	payment *payment.Payment
	// asOf is when the read or the write began that returned the payment.
	asOf time.Time
	// replayed: the answered request charged nothing.
	replayed bool
	// shared: followers get the same result, or the error that is returned with it.
	shared bool
}

// stale reports whether the result is older than a request that joined the flight at joined, and so must
// not answer it: the payment may have changed in between, and another replica may have returned the
// change.
func (r result) stale(joined time.Time) bool { return r.asOf.Before(joined) }

// answers reports whether the result is about what the request asks for: the same amount and capture and, unless
// the payment was approved, the same payment method.
func (r result) answers(request Request) bool {
	otherMethod := request.Method != "" && request.Method != r.payment.Method && !r.payment.State.Approved()
	return request.sameTerms(r.payment) && !otherMethod
}

// member is one request of a flight.
type member struct {
	*flight

	request  Request
	process  func(context.Context, Request) (result, error)
	joined   time.Time
	timeout  time.Duration
	deadline time.Time // of the wait for another worker
	fenced   bool      // this request may have charged before it lost its claim
}

// Do returns the result of process for the order. At most one request per order calls process at a time,
// and concurrent requests share its result. If another worker holds the claim, Do waits for its outcome;
// after the request's timeout it returns ErrBusy. A request for another amount is refused as soon as the
// order's amount is known.
func (fs *flights) Do(
	ctx context.Context, r Request, process func(context.Context, Request) (result, error),
) (result, error) {
	timeout := fs.timeout
	if r.Wait != nil {
		timeout = *r.Wait
	}
	m := member{request: r, process: process, timeout: timeout, deadline: time.Now().Add(timeout)}
	for {
		m.joined, m.flight = time.Now(), fs.join(r.ref())
		res, again, err := m.follow(ctx)
		if !again {
			return res, err
		}
	}
}

// follow waits until the flight completes or this request becomes the leader. It returns again if the
// result does not answer this request, which must then join a new flight.
func (m *member) follow(ctx context.Context) (res result, again bool, err error) {
	defer m.leave()
	known, timeout := m.known, (<-chan time.Time)(nil)
	for {
		leader, late := false, false
		select {
		case <-m.done:
		case <-m.leadership:
			leader = true
		case <-known:
			if p, _ := m.lastRead(); !m.request.sameTerms(p) {
				return result{}, false, m.flights.refuse(ctx, m.request)
			}
			known, timeout = nil, time.After(time.Until(m.deadline))
		case <-timeout:
			late = true
		case <-ctx.Done():
			return result{}, false, fmt.Errorf("wait for payment: %w", ctx.Err())
		}
		switch {
		case m.completed() && m.err != nil:
			return result{}, false, m.err
		case m.completed():
			res = m.result
			res.replayed = true
			return res, res.stale(m.joined) || !res.answers(m.request), nil
		case leader:
			return m.lead(ctx)
		case late:
			return result{}, false, ErrBusy
		}
	}
}

// lead calls process, or waits for the worker that holds the claim, until there is a result.
func (m *member) lead(ctx context.Context) (res result, again bool, err error) {
	defer m.resign()
	watch := m.takeOverWatch()
	for {
		if !watch {
			res, err = m.process(ctx, m.request)
			switch {
			case errors.Is(err, errHeld):
			case errors.Is(err, payment.ErrFenced):
				// Another worker took over; its outcome is authoritative.
				m.fenced, m.deadline = true, time.Now().Add(m.timeout)
			case err != nil && m.fenced:
				return result{}, false, inDoubt(err)
			default:
				if res.shared {
					m.complete(res, err)
				}
				return res, false, err
			}
		}
		watch = false
		res, err = m.watch(ctx)
		switch {
		case err != nil && m.fenced:
			return result{}, false, inDoubt(err)
		case err != nil:
			return result{}, false, err
		case !res.stale(m.joined) && res.payment.RoundOver() && res.answers(m.request):
			m.complete(res, nil)
			return res, false, nil
		case m.completed():
			return result{}, true, nil
		}
		// The other worker was lost, and the claim is free.
	}
}

// takeOverWatch reports whether this leader watches without a claim of its own, because the previous
// leader was watching. A request for another amount claims, so that it is refused.
func (m *member) takeOverWatch() bool {
	p, _ := m.lastRead()
	if !m.watched || !m.request.sameTerms(p) {
		return false
	}
	m.watched = false
	return true
}

// watch reads the payment at intervals until no worker holds its claim, or the flight completes.
func (m *member) watch(ctx context.Context) (result, error) {
	m.flights.watching.Add(1)
	defer m.flights.watching.Add(-1)
	late := time.After(time.Until(m.deadline))
	_, readAt := m.lastRead()
	var readErr error
	for {
		select {
		case <-time.After(time.Until(readAt.Add(watchInterval))):
		case <-m.done: // by a worker of this process
			res := m.result
			res.replayed = true
			return res, m.err
		case <-late:
			m.watched = true
			return result{}, cmp.Or(readErr, ErrBusy)
		case <-m.flights.stop:
			m.watched = true
			return result{}, ErrBusy
		case <-ctx.Done():
			m.watched = true
			return result{}, fmt.Errorf("wait for payment: %w", ctx.Err())
		}
		began := time.Now()
		p, err := m.flights.find(ctx, m.ref)
		readAt = time.Now()
		if err != nil {
			readErr = fmt.Errorf("wait for payment: %w", err)
			continue
		}
		readErr = nil
		m.read(&p)
		if !m.flights.held(&p) {
			return result{payment: &p, asOf: began, replayed: true}, nil
		}
	}
}

// waiting counts the requests that wait for another one, in this process or in another.
func (fs *flights) waiting() int {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	n := int(fs.watching.Load())
	for _, f := range fs.byRef {
		n += f.members - 1
	}
	return n
}

// read passes a row to the order's flight, if there is one.
func (fs *flights) read(p *payment.Payment) {
	if f := fs.get(p.Ref()); f != nil {
		f.read(p)
	}
}

// complete completes the order's flight, if there is one, with a payment that was written at asOf.
func (fs *flights) complete(p *payment.Payment, asOf time.Time) {
	if f := fs.get(p.Ref()); f != nil {
		f.complete(result{payment: p, asOf: asOf}, nil)
	}
}

func (fs *flights) get(ref payment.Ref) *flight {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	return fs.byRef[ref]
}

// join adds a request to the order's flight, or starts one.
func (fs *flights) join(ref payment.Ref) *flight {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	f := fs.byRef[ref]
	if f == nil {
		f = &flight{
			flights: fs, ref: ref, leadership: make(chan struct{}, 1),
			known: make(chan struct{}), done: make(chan struct{}),
		}
		f.leadership <- struct{}{}
		fs.byRef[ref] = f
	}
	f.members++
	return f
}

// leave removes one request from the flight.
func (f *flight) leave() {
	f.flights.mu.Lock()
	defer f.flights.mu.Unlock()
	f.members--
	if f.members == 0 {
		f.remove()
	}
}

// remove makes later requests start a new flight.
func (f *flight) remove() {
	if f.flights.byRef[f.ref] == f {
		delete(f.flights.byRef, f.ref)
	}
}

// resign lets a follower become the leader.
func (f *flight) resign() { f.leadership <- struct{}{} }

// read keeps a row that was read for the flight, so that followers know the order's amount.
func (f *flight) read(p *payment.Payment) {
	f.flights.mu.Lock()
	defer f.flights.mu.Unlock()
	first := f.latest == nil
	f.latest, f.readAt = p, time.Now()
	if first {
		close(f.known)
	}
}

// lastRead returns the row as last read, and when; nil and zero if it was not read yet.
func (f *flight) lastRead() (*payment.Payment, time.Time) {
	f.flights.mu.Lock()
	defer f.flights.mu.Unlock()
	return f.latest, f.readAt
}

// completed reports whether result and err are set.
func (f *flight) completed() bool {
	select {
	case <-f.done:
		return true
	default:
		return false
	}
}

// complete shares the result with all requests of the flight. Later requests start a new flight.
func (f *flight) complete(res result, err error) {
	f.flights.mu.Lock()
	defer f.flights.mu.Unlock()
	if f.completed() {
		return
	}
	f.result, f.err = res, err
	close(f.done)
	f.remove()
}
