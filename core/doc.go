// Package core holds the payment use cases. It performs no I/O of its own: the repository, the
// gateway and the retry policy are ports.
//
// A request asks to charge an order. At most one request per order does the work in this process;
// concurrent requests wait and share its result (flight.go). The leading request claims the payment:
// a short transaction, decided by package payment under the row's lock, stores a lease, a fencing
// token and the gateway key before the gateway is called for the first time. If the payment has
// succeeded, the stored answer is replayed. If another worker holds the claim, the leader reads the
// row at intervals until that worker is done. If this worker holds the claim, it asks the gateway
// to charge, with the same key on every attempt and with no transaction open. Before each backoff
// the attempt is recorded and the lease renewed. If the attempts leave it open whether the money
// was taken, the gateway is asked for the key. The outcome is written only if the fencing token is
// unchanged, and returned only after it is written. If another worker took over, its outcome is
// authoritative, and this request waits for it.
//
// Process (process.go) reads in that order. The claim is in claim.go, the attempts in round.go, and
// the write of the outcome in settle.go; the queue shares them. The queue (queue.go) and the lookups
// (reconcile.go) are started by the clock, and operator.go by a person.
package core
