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
	Post Kind = "POST" // charge an order
	Get  Kind = "GET"  // show a payment
)

// Told is what a client was answered.
type Told string

const (
	// Nothing: no answer came, or one that leaves open whether the request was taken in. It
	// may take effect at any time after its call, or never.
	Nothing Told = "nothing"
	// Unavailable: the request was not taken in, for certain (503).
	Unavailable Told = "unavailable"

	Success  Told = "success"
	Declined Told = "declined"
	Failed   Told = "failed"
	// Pending: the payment has no end yet: scheduled, unresolved, or processing (202).
	Pending Told = "pending"

	Mismatch Told = "mismatch"  // of a Post: the order has another amount (422)
	Busy     Told = "busy"      // of a Post: somebody else is at it (409)
	NotFound Told = "not found" // of a Get: nobody has asked for the order (404)
)
