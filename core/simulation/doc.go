// Package simulation holds tests alone: the whole service, several replicas of it, lives
// through hours of trouble in milliseconds of virtual time (testing/synctest), and is checked
// against its promise all the while.
//
// A run has one database and one gateway (adapters/fake), replicas that are core.Service with
// the retry policy and the guard of production, and clients. Everything that happens in it is
// drawn from one seed: the settings, what the clients ask, and which faults there are. Replicas
// die at any call through a port (before it, after it, its answer lost), are paused past their
// lease or their heartbeats, are stopped and started anew; answers of the database and of the
// gateway are lost or come late; both have outages; charges are declined, or arrive long after their
// caller has given up on them.
//
// The gateway of a run forgets keys after a lifetime or does not, honours keys or does not, saves
// declines or does not; its lookups lag, as declared or for longer. It answers 409, "charged": false,
// a decline of the second try while the first has charged, or pending. Something in between answers in
// its place, on charges (passed on or not) and on lookups. The database's clock, or those of the
// replicas, step by seconds to days in both directions. Replicas are configured for two gateways. A
// person resolves and imports payments at any moment, and is sometimes wrong.
//
// What must hold is in audit_test.go (after each change of the database and each call to the
// gateway), observed_test.go (who waits for another's end), client_test.go (what a client is
// told), verdict_test.go (at the end, when the faults have stopped) and the package history (all
// that the clients saw, together). That it would be noticed if it did not hold is shown by
// mutations_test.go, which breaks the service on purpose.
//
// proof_test.go judges a second time, from the rules and from what was really done, whether what is
// stored as not charged is proven, and whether a key may be sent.
//
// Assumptions bound the faults, and are the service's own: what has left for the gateway arrives within
// PAYMENTD_LATE; lookups lag by less than half of it; in a run either the database's clock steps or those
// of the replicas, so that one of them has right how much time has passed; and a worker's time is that at
// which the row is locked, also if the call was long on its way. What a person's wrong word makes
// the service do is his: but it is never silent.
//
// # Running it
//
//	go test ./core/simulation                                               a short run
//	go test ./core/simulation -run TestSimulation -timeout=0 -seeds=10000   a long one
//	go test ./core/simulation -run TestSimulation -v -seed=4711             that seed alone
//
// A seed that fails is printed with the story of the order it fails for.
//
// # What a seed determines
//
// Every decision of the simulation is a pure function of the seed and of the name of what is
// decided: "the third Renew of order-2 by replica-1.4", not "the next random number". So what
// one replica meets does not depend on what the others do meanwhile. The tests run on one
// processor (GOMAXPROCS=1), and nearly everything takes a random time, so that few things
// happen at the same instant.
//
// Not determined by the seed: the choice of a select between two channels that are ready, the
// order of a map, which of several goroutines goes on first that wake at the same virtual
// instant, and the Go scheduler's preemption. Most seeds therefore replay exactly, and some
// end differently once in a while; TestReplay measures that it stays this way. Under the race
// detector few do: it shuffles the scheduler on purpose.
package simulation
