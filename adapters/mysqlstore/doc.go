// Package mysqlstore is ports.Payments on MySQL and compatible servers.
//
// A payment that succeeds at once is two statements, each a transaction of its own: an INSERT that
// claims it, and an UPDATE that settles it. Every other change is a [rowUpdate]: lock the row, let the
// domain decide, write, commit.
//
// Claims and settlements that arrive while a commit is in flight share the next statement and its
// commit; see batch.go and package groupcommit. If a batch fails, each change is retried on its own.
//
// An error says no more than the server guarantees. A change that was certainly not written is
// retried. If the answer to a COMMIT was lost, the retry locks the row, which waits for a commit that
// is still in flight, and finds out whether the first try was written.
package mysqlstore
