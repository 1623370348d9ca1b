// Command bench measures how fast paymentd is, beside what it is held against, on this machine
// and in one run:
//
//	go run ./tools/bench          # or make bench
//	go run ./tools/bench --help
//
// It runs the real thing: a MySQL-protocol server of its own that flushes every commit, the
// sandbox gateway and one replica, each as a process, and clients that ask over HTTP. The same
// clients then pay by three other ways, on the same server and with the same gateway:
//
//   - bare: INSERT, gateway call, UPDATE, each statement its own commit, and no service around
//     it. What durable payments cost when nobody shares a commit.
//   - batched: the same, with up to 64 payments a statement and commit. What sharing can give.
//   - textbook: a small HTTP service that locks the row in a transaction, calls the gateway, and
//     commits.
//
// The ways take turns in short slices, round after round, so that what else the machine is busy
// with hits them all alike. What is compared are the slices of one round.
package main
