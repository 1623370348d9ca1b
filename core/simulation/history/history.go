package history

// Operation is one request of a client and its answer.
type Operation struct {
	Client  int // who asked, from 0; for people
	OrderID string
	Kind    Kind
	// Amount is what a Post asks for, and what a Get is shown, with its currency. Equal amounts
	// must be spelled alike.
	Amount string
	// Call and Return are times on one clock that never goes back, such as nanoseconds since
	// the test began. Return counts for nothing where nothing was told.
	Call, Return int64

	Told          Told
	TransactionID string // with Success
	Replayed      bool   // with the Success of a Post: nothing was charged for it
}

// Kind is what a client asks for.
type Kind string

const (
	// Post charges an order.
	Post Kind = "POST"
	// Get shows a payment.
	Get Kind = "GET"
)

// Told is what a client was answered.
type Told string

const (
	// Nothing: no answer came, or one that leaves open whether the request was taken in. It
	// may take effect at any time after its call, or never.
	Nothing Told = "nothing"
	// Unavailable: the request was not taken in, for certain (503).
	Unavailable Told = "unavailable"

	// Success: charged (200).
	Success Told = "success"
	// Declined: the gateway said no (402).
	Declined Told = "declined"
	// Failed: not charged, or rejected as wrong (502).
	Failed Told = "failed"
	// Pending: the payment has no end yet: scheduled, unresolved, or processing (202).
	Pending Told = "pending"

	// Mismatch: of a Post, the order has another amount (422).
	Mismatch Told = "mismatch"
	// Busy: of a Post, somebody else is at it (409).
	Busy Told = "busy"
	// NotFound: of a Get, nobody has asked for the order (404).
	NotFound Told = "not found"
)
