// Package payment is the domain: what a payment is, which states it goes through,
// and every decision that is made about one.
//
// The decisions are pure functions. They take a payment as a repository has read it
// under its lock, and the time of the database's clock, and say what to write:
//
//   - [Ask.Open] and [Ask.Decide], for a request;
//   - [Terms.PickUp], for the queue and the reconciler;
//   - [Renewal.Apply] and [Settlement.Apply], for the worker that holds the claim;
//   - [Resolution.Apply], for a person.
//
// A repository calls them inside its transaction and needs no rule of its own.
// They take no context: nothing that waits may happen while the row is locked.
package payment
