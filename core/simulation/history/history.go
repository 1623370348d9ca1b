package history

// Operation is one request of a client and its answer.
type Operation struct {
	Client  int // who asked, from 0; for people
	OrderID string
	Kind    Kind
	// Amount is the amount of a Post, or the one that a Get returned, with its currency. Equal amounts must
	// have the same spelling.
	Amount string
	// Call and Return are times of one monotonic clock, such as nanoseconds since the start of the test.
	// Return is ignored if there was no answer.
	Call, Return int64

	Told          Told
	TransactionID string // with Success
	Replayed      bool   // with the Success of a Post: nothing was charged for it
}

// Kind is the kind of a request.
type Kind string

const (
	// Post charges an order.
	Post Kind = "POST"
	// Get shows a payment.
	Get Kind = "GET"
)

// Told is the answer to a request.
type Told string

const (
	// Nothing: no answer came, or one that does not say whether the request was accepted. It may take effect
	// at any time after its call, or never.
	Nothing Told = "nothing"
	// Unavailable: the request was certainly not accepted (503).
	Unavailable Told = "unavailable"

	// Success: charged (200).
	Success Told = "success"
	// Declined: the gateway declined (402).
	Declined Told = "declined"
	// Failed: not charged, or rejected as wrong (502).
	Failed Told = "failed"
	// Pending: the payment is not final: scheduled, unresolved, or processing (202).
	Pending Told = "pending"

	// Mismatch: the order of a Post has another amount (422).
	Mismatch Told = "mismatch"
	// Busy: another request is processing the order of a Post (409).
	Busy Told = "busy"
	// NotFound: no request has named the order of a Get (404).
	NotFound Told = "not found"
)
