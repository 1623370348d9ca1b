// Package payment is the domain: what a payment is, which states it goes through, and every decision
// about one.
//
// The decisions are pure functions. They take a payment as a repository has read it under the row's
// lock, and the time of the database's clock, and return what to write. Each file is named after the
// verb that it decides:
//
//   - claim.go: [ClaimRequest.Open] and [ClaimRequest.Decide], for a request;
//   - pickup.go: [PickUpPolicy.PickUp] and [PickUpPolicy.PickUpKey], for the queue and the reconciler;
//   - renew.go and settle.go: [Renewal.Apply] and [Settlement.Apply], for the worker that holds the claim;
//   - lookup.go and approve.go: [LookupRecord.Apply] and [Approval.Apply], for what a gateway reports;
//   - resolve.go, import.go and archive.go: [Resolution.Apply], [Import.Apply] and [Archival.Apply], for
//     an operator.
//
// A repository calls them inside its transaction and needs no rule of its own. They take no context,
// because nothing may wait while the row is locked.
package payment
