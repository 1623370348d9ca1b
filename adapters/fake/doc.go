// Package fake holds the ports in memory, for tests: real state machines that pass the
// contract suites of portstest, not recordings.
//
//   - [Payments] is the repository. It decides with the same pure functions as the
//     ones on a database.
//   - [Keys] is the repository of the API keys, and [OpenAccess] a service without any.
//   - [Gateway] takes the money. It is scripted, attempt by attempt, and its ledger
//     outlives every service that uses it.
//   - [Wire] lies between one service and its ports: it records each call, and lets
//     answers be lost, calls fail and workers die at any of them.
//
// They read the time from the time package and start no goroutine, so inside a
// testing/synctest bubble all of it runs in virtual time.
package fake
