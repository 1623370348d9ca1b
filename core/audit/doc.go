// Package audit compares the list of a gateway's charges with the stored payments, both ways. It writes
// nothing.
//
// A charge belongs to the period in which the gateway made it, and is compared with the payment of its
// order, whenever that was created. A payment belongs to the period in which it was created, and if it
// has succeeded, the list must have its charge. The list is read with a margin, so that clocks that
// differ, and charges that arrive late, make no difference. What does not agree is a candidate. A
// candidate becomes a difference only if it still is one after the gateway has been asked for the key
// and the payment has been read again, because payments go on while pages are read.
//
// # Memory
//
// Neither side is kept. A list has no order that helps a comparison, so that each page of charges is
// compared with the payments of its orders, which are read by their primary keys. What remains of a
// charge is 32 bytes, of hashes. At most [maxCharges] are kept, which are 64 MiB; of a longer list, they
// are kept for a part of the orders, and both sides are read once for each part. Candidates, and what is
// listed apart, are limited as well.
//
// The hashes have 64 bits. A collision hides a payment without a charge; its probability is that of
// n charges among 2⁶⁴ values: 1 in 18 million for each of a million payments without a charge.
package audit
