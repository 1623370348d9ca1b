// Package history checks what clients saw. The clients of a test, in the simulation or as real processes,
// record each operation: when it was called, when it returned, and the answer. [Check] searches for one
// order of all operations, consistent with these times, in which a sequential service would have given
// exactly these answers (linearizability), with github.com/anishathalye/porcupine. If there is none, some
// answer was wrong.
//
// The sequential service is in model.go. It models one order, or one refund under a name of its own; they are
// independent of each other, because a refund that is refused for what is left counts as not accepted.
//
// Only tests import this package.
package history
