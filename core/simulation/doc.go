// Package simulation holds tests alone: the whole service, several replicas of it, lives
// through hours of trouble in milliseconds of virtual time (testing/synctest), and is checked
// against its promise all the while.
//
// A run has one database and one gateway (adapters/fake), replicas that are core.Service with
// the retry policy and the guard of production, and clients. Everything that happens in it is
// drawn from one seed: the settings, what the clients ask, and which faults there are. Replicas
// die at any call through a port (before it, after it, its answer lost), are paused past their
// lease or their heartbeats, are stopped and started anew; answers of the database and of the
// gateway are lost or come late; both have outages; the database's clock jumps; charges are
// declined, or arrive long after their caller has given up on them.
//
// What must hold is in audit_test.go (after each change of the database and each call to the
// gateway), observed_test.go (who waits for another's end), client_test.go (what a client is
// told), verdict_test.go (at the end, when the faults have stopped) and the package history (all
// that the clients saw, together). That it would be noticed if it did not hold is shown by
// mutations_test.go, which breaks the service on purpose.
//
// Two assumptions bound the faults, and are the service's own: what has left for the gateway
// arrives within PAYMENTD_LATE, and clocks jump by less than that leaves room for
// (settings.arrival).
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
