// Package sqlitestore is ports.Payments on a SQLite file, the default of a service that
// runs as one process.
//
// Whoever changes a payment holds the file's one write lock for the whole of its short
// transaction: begin immediate, read, let the domain decide, write, commit. Within the
// process that lock is the one connection for writing, and across processes SQLite's own, so
// a second process on the same file is slow and safe. Reads have connections of their own and
// wait for nobody.
package sqlitestore
