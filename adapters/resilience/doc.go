// Package resilience keeps a sick gateway from making the service sick, with failsafe-go: the
// retry policy of a round of attempts ([Retry]), and a guard around a gateway ([Guard]) that
// bounds how long an attempt may take, how many run at once, and how often a gateway is called
// that does not answer at all.
package resilience
