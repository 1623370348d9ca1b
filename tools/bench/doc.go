// Package bench measures the payments per second of paymentd on this machine, beside other ways of
// taking payments, in one run: `make bench`.
//
// It runs real processes: a server that speaks the MySQL protocol and flushes every commit, a sandbox
// gateway over TLS, and one replica with API keys, limits, metrics that are scraped, and a trace of
// every tenth payment. Clients pay over HTTP. The same clients then pay through two contenders on the
// same server and gateway:
//
//   - bare: INSERT, gateway call, UPDATE, each statement its own commit, without a service. This is
//     what durable payments cost if no commit is shared.
//   - textbook: a small HTTP service that locks the row in a transaction, calls the gateway, and
//     commits.
//
// The contenders run in short slices, round after round, so that other load on the machine affects
// all of them alike. Ratios compare the slices of one round.
package bench
