package gatewaycheck

import (
	"time"

	"paymentd/core/payment"
)

const markAdvice = "Send the header Idempotency-Key with the key of the charge on every answer of the gateway itself, errors " +
	"and lookups included, and let no proxy answer in its place."

// beginning are the checks that come first, because the others build on them.
func beginning() []check {
	return []check{
		{
			name: "lookup of a new key", alone: true, promise: NeverGuessed,
			proves: "an answer \"no charge has this key\" is the gateway's own, and not that of a router or a proxy",
			advice: "Answer the lookup of a key that was never used with 404, the header Idempotency-Key with that key, and " +
				"{\"code\":\"not_found\"}. Check that the address is the base address of the gateway, and that the credentials are right.",
			run: lookUpNewKeys,
		},
		{
			name: "an approved charge", alone: true, promise: NeverLost, costs: costs(1, 1),
			proves: "a charge gets an answer with the gateway's mark and a transaction id",
			advice: "Check the address and the credentials, and that --approved-amount is one that the gateway approves. " + markAdvice,
			run:    approveFirst,
		},
		{
			name: "a declined charge", promise: NeverLost,
			costs:  func(s Subject) []cost { return []cost{{s.Declined, 0, 2}} },
			proves: "a decline has a code, and is the same for a repeat and a lookup",
			advice: "Answer a decline with 402, the mark and {\"status\":\"declined\",\"code\":\"…\"}, and save it with its key.",
			run:    decline,
		},
	}
}

// lookUpNewKeys looks up keys that were never used.
func lookUpNewKeys(r *run) Finding {
	for _, suffix := range []string{"", "/?#%"} {
		c := r.order(r.Approved)
		c.Key += payment.GatewayKey(suffix)
		if l := r.lookUp(refOf(c)); l.Result != payment.FoundNothing {
			return fail("a key that was never used is " + describeLookup(l))
		}
	}
	return pass("no charge has a new key, and the gateway itself says so")
}

func approveFirst(r *run) Finding {
	m, wrong := r.approve(r.Approved)
	if wrong != nil {
		return *wrong
	}
	r.first = m
	return pass(r.Approved.String() + " was approved as " + m.transactionID + ", after " + seconds(time.Since(m.sent)))
}

// decline charges an amount that is declined, twice.
func decline(r *run) Finding {
	if r.Declined.IsZero() {
		return skip("no amount is known that the gateway declines", "Name one with --declined-amount.")
	}
	c := r.order(r.Declined)
	first := r.charge(c)
	switch {
	case first.Class == payment.ClassApproved:
		r.record(c, first.TransactionID, time.Now())
		return skip("the gateway approved "+r.Declined.String(), "Name an amount that it declines with --declined-amount.")
	case first.Class != payment.ClassDeclined:
		return fail("a charge of " + r.Declined.String() + " was " + describe(first))
	}
	if !r.Gateway.Capabilities().SavesDeclines {
		return pass("declined with the code " + first.Code + "; the gateway declares that it saves no declines")
	}
	if again := r.charge(c); again.Class != payment.ClassDeclined {
		return fail("declined with the code " + first.Code + ", and the same key again was " + describe(again))
	}
	if l := r.await(refOf(c)); l.Result != payment.FoundDeclined {
		return fail("declined with the code " + first.Code + ", and a lookup says: " + describeLookup(l))
	}
	return pass("declined with the code " + first.Code + ", again for the same key, and so says the lookup")
}
