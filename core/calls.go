package core

import (
	"strings"
	"sync"
	"time"

	"paymentd/core/payment"
)

// maxCallTextBytes bounds the text of a [Call].
const maxCallTextBytes = 200

// Call is what one call to a gateway led to.
type Call struct {
	At     time.Time // when it ended, by this process's clock
	Took   time.Duration
	Lookup bool // the gateway was asked about a key; otherwise it was asked to move money
	// Result is a payment.Class, or of a lookup a payment.LookupResult, and Message the cause as text for an
	// operator; it may be empty.
	Result  string
	Message string
}

// GatewayCalls are the latest calls to a gateway that this process made. A call that was not made, because the
// breaker or the bulkhead refused it, counts as one without an answer.
type GatewayCalls struct {
	// Answered is the latest call that the gateway itself answered; zero if there is none.
	Answered Call
	// Unanswered is the latest call without an answer of the gateway itself; zero if there is none.
	Unanswered Call
	// Silent counts the calls without an answer since the latest answer.
	Silent int
}

// callLog keeps the latest calls of each gateway. Its zero value is ready to use.
type callLog struct {
	mu sync.Mutex
	of map[payment.GatewayID]GatewayCalls // at most as many as there are gateways
}

// Calls returns the latest calls of this process to the gateway.
func (s *Service) Calls(gateway payment.GatewayID) GatewayCalls {
	s.calls.mu.Lock()
	defer s.calls.mu.Unlock()
	return s.calls.of[gateway]
}

func (l *callLog) add(gateway payment.GatewayID, answered bool, c Call) {
	if len(c.Message) > maxCallTextBytes {
		c.Message = strings.ToValidUTF8(c.Message[:maxCallTextBytes], "")
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.of == nil {
		l.of = make(map[payment.GatewayID]GatewayCalls)
	}
	calls := l.of[gateway]
	if answered {
		calls.Answered, calls.Silent = c, 0
	} else {
		calls.Unanswered, calls.Silent = c, calls.Silent+1
	}
	l.of[gateway] = calls
}

// noteAttempt records an attempt that began at began.
func (s *Service) noteAttempt(gateway payment.GatewayID, r payment.Result, began time.Time) {
	now := time.Now()
	s.calls.add(gateway, r.Answered, Call{At: now, Took: now.Sub(began), Result: string(r.Class), Message: r.Message})
}

// noteLookup records a lookup that began at began.
func (s *Service) noteLookup(gateway payment.GatewayID, l payment.Lookup, began time.Time) {
	now := time.Now()
	s.calls.add(gateway, l.Result != payment.FoundNoAnswer,
		Call{At: now, Took: now.Sub(began), Lookup: true, Result: string(l.Result), Message: l.Message})
}
