package payment

// State is the state of a payment. Its values are those of the SQL column, the API and the logs.
type State string

const (
	// StateProcessing: a worker holds the claim, or held it until its lease expired.
	StateProcessing State = "processing"
	// StateScheduled: accepted; a worker claims it at [Payment.DueAt].
	StateScheduled State = "scheduled"
	// StatePending: the gateway has the charge and decides later, perhaps once the customer has acted.
	// The reconciler looks it up.
	StatePending State = "pending"
	// StateAuthorized: the gateway holds the money. A capture takes it, a void or the expiry releases it. Once a
	// day, the reconciler looks it up.
	StateAuthorized State = "authorized"
	// StateSucceeded: the money is taken. No request changes it.
	StateSucceeded State = "succeeded"
	// StateDeclined: the gateway declined. A new request tries again with a new gateway key.
	StateDeclined State = "declined"
	// StateFailed: provably not charged. A new request tries again with the same gateway key.
	StateFailed State = "failed"
	// StateUnresolved: it is unknown whether the money is taken. The reconciler looks it up.
	StateUnresolved State = "unresolved"
	// StateVoided: the money was held, and was released without being taken. No request changes it.
	StateVoided State = "voided"
)

// States returns every state, in the order of a payment's life.
func States() []State {
	return []State{
		StateProcessing, StateScheduled, StatePending, StateAuthorized, StateSucceeded, StateDeclined, StateFailed,
		StateUnresolved, StateVoided,
	}
}

// ParseState returns the state of that name; the error is a *[FieldError].
func ParseState(name string) (State, error) {
	if s := State(name); s.valid() {
		return s, nil
	}
	return "", &FieldError{
		Field:   "state",
		Message: "state must be one of processing, scheduled, pending, authorized, succeeded, declined, failed, unresolved, voided",
	}
}

// Final reports whether the payment has an outcome: succeeded, declined, failed or voided. The service itself
// has nothing left to do for it, so it is never due. [Payment.RoundOver] includes the states with lookups.
func (s State) Final() bool {
	switch s {
	case StateSucceeded, StateDeclined, StateFailed, StateVoided:
		return true
	case StateProcessing, StateScheduled, StatePending, StateAuthorized, StateUnresolved:
	}
	return false
}

// Approved reports whether the gateway has approved the payment: it took the money, or holds it.
func (s State) Approved() bool { return s == StateSucceeded || s == StateAuthorized }

// looksUp reports whether a payment in this state waits for a lookup of its key.
func (s State) looksUp() bool {
	switch s {
	case StatePending, StateAuthorized, StateUnresolved:
		return true
	case StateProcessing, StateScheduled, StateSucceeded, StateDeclined, StateFailed, StateVoided:
	}
	return false
}

// claimable reports whether a worker may hold a claim on a payment in this state: to charge it, or to
// look it up.
func (s State) claimable() bool {
	return s == StateProcessing || s.looksUp()
}

func (s State) valid() bool {
	switch s {
	case StateProcessing, StateScheduled, StatePending, StateAuthorized, StateSucceeded, StateDeclined, StateFailed,
		StateUnresolved, StateVoided:
		return true
	}
	return false
}
