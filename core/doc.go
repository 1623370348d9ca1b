// Package core holds the payment use cases. It is pure: the repository, the gateway and
// the retry policy are ports.
//
// One request, told in prose. A client asks that an order be charged. Of all requests for
// this order in this process one speaks for it, the others stand in line behind it
// (line.go). The speaker claims the payment: a short transaction, decided by package
// payment under the row's lock, that stores a lease, a fencing number and the gateway key
// before the gateway is called for the first time. If the payment has succeeded, the first
// answer is given again. If another worker holds the claim, the speaker watches the row for
// all that stand in line, and they are answered by the other's end. If the claim is ours,
// the gateway is asked to charge, with the same key on every attempt and no transaction
// open; every attempt that another follows is recorded, and the lease renewed, before the
// wait. Where the attempts leave a doubt, the gateway is asked what became of the key. The
// outcome is written only if the fencing number is still ours, and told only when it is
// written. If we were fenced out, somebody else's word counts, and we wait for it like
// anybody.
//
// Process (process.go) is that flow from the top to the bottom; the round of attempts and
// its end, which the queue shares, are in round.go. The queue (queue.go) and the reconciler
// (reconcile.go) are the same moves, started by the clock instead of a client.
package core
