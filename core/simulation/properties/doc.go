// Package properties tests the domain with random values and random orders of events. rapid shrinks a
// counterexample to a small one, and prints its seed for -rapid.seed.
package properties
