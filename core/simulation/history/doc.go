// Package history checks what clients saw. The clients of a test, of the simulation or of
// real processes, write down each operation: when it was called, when it returned, and what
// was answered. [Check] searches for one order of all of them, in keeping with these times, in
// which a sequential service would have given the very same answers (linearizability), with
// github.com/anishathalye/porcupine. Where there is none, somebody was told something that was
// not so.
//
// The sequential service is in model.go. It knows one order; orders do not touch each other.
//
// Only tests import this package.
package history
