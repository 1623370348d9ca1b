// Package simulation contains tests only. Several replicas of the whole service run through hours of
// faults in milliseconds of virtual time (testing/synctest), and are checked against the promise at
// every step.
//
// A run has one database and one to three gateways (adapters/fake), replicas (core.Service with the
// production retry policy and guard), and clients. One seed determines everything in it: the settings,
// the requests and the faults. Replicas die at any call through a port (before it, after it, with its
// answer lost), are paused past their lease or their heartbeats, are stopped and restarted. Answers of
// the database and of the gateway are lost or late; both have outages; charges are declined, or arrive
// long after their caller has given up.
//
// The gateway of a run forgets keys after a lifetime or keeps them, honours keys or does not, saves
// declines or does not; its lookups lag, as declared or for longer. It answers 409, "charged": false,
// a decline of the second attempt after the first has charged, or pending. An intermediary answers in
// its place, on charges (forwarded or not) and on lookups. The database's clock or those of the replicas
// step by seconds to days in both directions. In some runs, half of the replicas are configured for another
// gateway; in others, all have routes over two or three gateways, each with capabilities and faults of its
// own. Requests name payment methods and change them; pending charges are decided, or their customers never
// act and they are cancelled, or clients void them; return URLs differ between replicas. Events of the gateways arrive at any
// moment, several times, with reports that may be wrong. An operator resolves and imports payments at any
// moment, and is sometimes wrong. In half of the runs, clients refund: parts, the whole, what is left and too much,
// at the same time and again; the gateways answer refunds as they do charges, and banks send some of the money back.
//
// The checks are in audit_test.go (after each change of the database and each call to the gateway),
// observed_test.go (requests that wait for another worker's outcome), client_test.go (the answers that
// clients get), liveness_test.go (at the end, without faults) and the package history (everything that
// the clients saw, together). mutations_test.go breaks the service on purpose to show that these checks
// can fail.
//
// In the audit and in the history of the clients, each refund is an order of its own, with the same checks as a
// charge. refunds_test.go adds what they share: after each change, the payment's row reserves exactly what its
// refunds have given back or may give back, never more than was taken, and never less than the gateways' ledgers
// have.
//
// proof_test.go judges a second time, from the rules and from what was really done, whether payments
// stored as not charged are proven, and whether a key may be sent.
//
// The faults are bounded by the assumptions of the service: a request that has left for the gateway
// arrives within PAYMENTD_LATE; lookups lag by less than half of that; in a run either the database's
// clock steps or those of the replicas, so that one of them measures elapsed time correctly; a worker's
// time is the time at which the row is locked, even if the call was slow. If an operator resolves a
// payment wrongly, the service may charge again, but it always reports it.
//
// # Running it
//
//	go test ./core/simulation                                               a short run
//	go test ./core/simulation -run TestSimulation -timeout=0 -seeds=10000   a long one
//	go test ./core/simulation -run TestSimulation -v -seed=4711             that seed alone
//
// A seed that fails is printed with the events of the order that it fails for.
//
// # What a seed determines
//
// Every decision of the simulation is a pure function of the seed and of the name of what is decided:
// "the third Renew of order-2 by replica-1.4", not "the next random number". The faults of one replica
// therefore do not depend on what the others do meanwhile. The tests run on one processor
// (GOMAXPROCS=1), and nearly everything takes a random time, so that few things happen at the same
// instant.
//
// Not determined by the seed: the choice of a select between two channels that are ready, the order of a
// map, which of several goroutines that wake at the same virtual instant runs first, and the Go
// scheduler's preemption. Most seeds therefore replay exactly, and some end differently once in a while;
// TestReplay measures that it stays this way. Under the race detector few do, because it shuffles the
// scheduler on purpose.
package simulation
