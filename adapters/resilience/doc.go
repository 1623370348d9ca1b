// Package resilience protects the service from a failing gateway with failsafe-go: the retry policy
// of a round of attempts ([Retry]), and a guard around a gateway ([Guard]) with a timeout, a limit
// on concurrent attempts, and a circuit breaker for a gateway that does not answer at all.
package resilience
