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

	Response      Response
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

// Response is the answer to a request.
type Response string

const (
	// Nothing: no answer came, or one that does not say whether the request was accepted. It may take effect
	// at any time after its call, or never.
	Nothing Response = "nothing"
	// Unavailable: the request was certainly not accepted (503).
	Unavailable Response = "unavailable"

	// Success: charged (200).
	Success Response = "success"
	// Declined: the gateway declined (402).
	Declined Response = "declined"
	// Failed: not charged, or rejected as wrong (502).
	Failed Response = "failed"
	// Pending: the payment is not final: scheduled, unresolved, or processing (202).
	Pending Response = "pending"

	// Mismatch: the order of a Post has another amount (422).
	Mismatch Response = "mismatch"
	// Busy: another request is processing the order of a Post (409).
	Busy Response = "busy"
	// NotFound: no request has named the order of a Get (404).
	NotFound Response = "not found"
)
