package payment

// State says where a payment stands. The values are those of the SQL column, the
// API and the logs.
type State string

const (
	// StateProcessing: a worker holds the claim, or held it until its lease ran out.
	StateProcessing State = "processing"
	// StateScheduled: accepted, and waiting for a worker at [Payment.DueAt].
	StateScheduled State = "scheduled"
	// StateSucceeded: the money is taken. Final.
	StateSucceeded State = "succeeded"
	// StateDeclined: the gateway said no. A new request tries again with a new gateway key.
	StateDeclined State = "declined"
	// StateFailed: provably not charged. A new request tries again with the same gateway key.
	StateFailed State = "failed"
	// StateUnresolved: nobody knows yet. The reconciler asks the gateway.
	StateUnresolved State = "unresolved"
)

// States lists every state, in the order of a payment's life.
func States() []State {
	return []State{
		StateProcessing, StateScheduled, StateSucceeded, StateDeclined, StateFailed, StateUnresolved,
	}
}

// ParseState returns the state of that name; the error is a *[FieldError].
func ParseState(name string) (State, error) {
	for _, s := range States() {
		if string(s) == name {
			return s, nil
		}
	}
	return "", &FieldError{
		Field:   "state",
		Message: "state must be one of processing, scheduled, succeeded, declined, failed, unresolved",
	}
}

// Known reports whether the gateway's answer is known: nothing is left to be done by
// the service itself.
func (s State) Final() bool {
	return s == StateSucceeded || s == StateDeclined || s == StateFailed
}
