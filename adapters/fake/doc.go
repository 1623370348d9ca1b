// Package fake implements the ports in memory, for tests. The fakes are working state machines that pass
// the contract suites of portstest, not recordings.
//
//   - [Payments] is the repository of payments. It decides with the same pure functions as those on a
//     database.
//   - [Keys] is the repository of API keys, and [OpenAccess] accepts every caller.
//   - [Sessions] is the repository of the console's sessions.
//   - [Gateway] takes the money. A script decides each attempt, and its ledger outlives every service that
//     uses it.
//   - [Wire] is between one service and its ports. It records each call and injects faults: lost answers,
//     failed calls, and workers that crash.
//
// They read the time from the time package and start no goroutines, so that all of it runs in virtual time
// inside a testing/synctest bubble.
package fake
