// Package sqlitestore is ports.Payments on a SQLite file, the default of a service that
// runs as one process.
//
// Every change holds the file's only write lock for the whole of its short transaction: begin
// immediate, read, let the domain decide, write, commit. Within the process that lock is the one
// connection that writes, and across processes it is SQLite's own, so that a second process on the
// same file is slow but safe. Reads have connections of their own and do not wait.
package sqlitestore
