package fake

import (
	"context"
	"sync"
	"time"

	"paymentd/core/endpoint"
)

// Sender is ports.Sender in memory: receivers by the id of their endpoint.
type Sender struct {
	mu        sync.Mutex
	receivers map[endpoint.ID]*Receiver
}

// NewSender returns a sender whose receivers accept every event.
func NewSender() *Sender { return &Sender{receivers: make(map[endpoint.ID]*Receiver)} }

// Receiver is what a receiver of events does and has seen.
type Receiver struct {
	mu       sync.Mutex
	answer   endpoint.Answer
	delay    time.Duration
	attempts []endpoint.Delivery
	received []endpoint.Delivery
}

// To returns the receiver of an endpoint.
func (s *Sender) To(id endpoint.ID) *Receiver {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.receivers[id] == nil {
		s.receivers[id] = &Receiver{answer: endpoint.Answer{Status: 200}}
	}
	return s.receivers[id]
}

// Answer sets the later answers, and how long each takes.
func (r *Receiver) Answer(a endpoint.Answer, delay time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer, r.delay = a, delay
}

// Attempts returns the events of all attempts.
func (r *Receiver) Attempts() []endpoint.Delivery {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]endpoint.Delivery(nil), r.attempts...)
}

// Received returns the events that were accepted, in their order.
func (r *Receiver) Received() []endpoint.Delivery {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]endpoint.Delivery(nil), r.received...)
}

// Send implements ports.Sender.
func (s *Sender) Send(ctx context.Context, to endpoint.Endpoint, d endpoint.Delivery) endpoint.Answer {
	r := s.To(to.ID)
	r.mu.Lock()
	r.attempts = append(r.attempts, d)
	answer, delay := r.answer, r.delay
	r.mu.Unlock()
	select {
	case <-time.After(delay):
	case <-ctx.Done():
		return endpoint.Answer{Problem: "no answer in time"}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if answer.Accepted() {
		r.received = append(r.received, d)
	}
	return answer
}
