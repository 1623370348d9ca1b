// Package mysqlstore is ports.Payments on MySQL, and on what speaks its protocol.
//
// A payment that succeeds at once is two statements, each a transaction of its own: an
// INSERT that claims it and an UPDATE that settles it. Everything else that changes a
// payment is one move: lock the row, let the domain decide, write, commit.
//
// Claims and settlements that arrive while others are being committed share the next commit,
// and its statement: see package commit. Whatever is the matter with such a statement, its
// changes are then made one by one.
//
// No answer of the server is taken for more than it says. What certainly was not written
// is tried again. Where an answer was lost, the same change is made again in a form that
// finds out whether the first one was written: the row's lock makes it wait for one that is
// still on its way.
package mysqlstore
