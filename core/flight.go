package core

import (
	"sync"
	"time"

	"paymentd/core/payment"
)

// lines keeps, for each order that this process is asked for, the requests that stand in
// line. A thousand requests for one order cost the database one claim and one poll.
type lines struct {
	mu      sync.Mutex
	byOrder map[payment.OrderID]*line
}

// line is the requests for one order. Whoever takes turn speaks for all of them: it claims,
// or watches the worker that has. A line ends once, when the speaker knows what to tell.
type line struct {
	lines *lines
	order payment.OrderID

	turn  chan struct{} // holds a token while nobody speaks
	busy  bool          // the speaker before was watching another worker; the speaker's
	known chan struct{} // closed when payment is set: the order's amount is known
	ended chan struct{} // closed when end is set

	standing int              // guarded by lines.mu, like the fields below
	payment  *payment.Payment // nobody changes it: what is learned replaces it
	lookedAt time.Time        // when the row was last read for this line
	end      ending
}

// ending is what a line ended with: a payment to tell of, or an error.
type ending struct {
	payment *payment.Payment
	began   time.Time // when the read or the write began that the payment is known by
	err     error
}

// stale reports whether the ending is no answer to a request that joined then. The payment may
// have gone on between what the ending tells of and the request, and another replica may have
// told so.
func (e ending) stale(joined time.Time) bool { return e.began.Before(joined) }

func newLines() *lines { return &lines{byOrder: make(map[payment.OrderID]*line)} }

// join puts a request in its order's line, and opens one where there is none.
func (ls *lines) join(order payment.OrderID) *line {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	l := ls.byOrder[order]
	if l == nil {
		l = &line{
			lines: ls, order: order, turn: make(chan struct{}, 1),
			known: make(chan struct{}), ended: make(chan struct{}),
		}
		l.turn <- struct{}{}
		ls.byOrder[order] = l
	}
	l.standing++
	return l
}

// behind counts the requests in line for whom another one speaks.
func (ls *lines) behind() int {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	n := 0
	for _, l := range ls.byOrder {
		n += l.standing - 1
	}
	return n
}

// tell ends the order's line, if there is one.
func (ls *lines) tell(order payment.OrderID, e ending) {
	ls.mu.Lock()
	l := ls.byOrder[order]
	ls.mu.Unlock()
	if l != nil {
		l.land(e)
	}
}

// leave takes one request out of the line.
func (l *line) leave() {
	l.lines.mu.Lock()
	defer l.lines.mu.Unlock()
	l.standing--
	if l.standing == 0 && l.lines.byOrder[l.order] == l {
		delete(l.lines.byOrder, l.order)
	}
}

// stepDown is the speaker's last move. If the line goes on, the next one speaks.
func (l *line) stepDown() { l.turn <- struct{}{} }

// learn keeps a payment that was read for the line, so that those in it know its amount.
func (l *line) learn(p *payment.Payment) {
	l.lines.mu.Lock()
	defer l.lines.mu.Unlock()
	first := l.lookedAt.IsZero()
	l.payment, l.lookedAt = p, time.Now()
	if first {
		close(l.known)
	}
}

// last returns what was learned last, and when: nil and zero when nothing was.
func (l *line) last() (*payment.Payment, time.Time) {
	l.lines.mu.Lock()
	defer l.lines.mu.Unlock()
	return l.payment, l.lookedAt
}

// over returns what the line ended with, if it has.
func (l *line) over() (ending, bool) {
	select {
	case <-l.ended:
		return l.end, true
	default:
		return ending{}, false
	}
}

// land ends the line. Requests that come later open a new one.
func (l *line) land(e ending) {
	l.lines.mu.Lock()
	defer l.lines.mu.Unlock()
	select {
	case <-l.ended:
		return
	default:
	}
	l.end = e
	close(l.ended)
	if l.lines.byOrder[l.order] == l {
		delete(l.lines.byOrder, l.order)
	}
}
