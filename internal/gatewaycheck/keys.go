package gatewaycheck

import (
	"context"
	"fmt"
	"net/http/httptrace"
	"slices"
	"strings"
	"sync"
	"time"

	"paymentd/core/payment"
)

const (
	repeats    = 3  // of the first key
	racing     = 16 // attempts at once
	lostRounds = 3  // charges whose answer is dropped
)

const keyAdvice = "Store the key in the same transaction as the charge, with a unique index, and answer a key that is stored with " +
	"the result that is stored with it."

func keyChecks() []check {
	return []check{
		{
			name: "same key again", promise: NeverTwice, costs: costs(0, repeats), advice: keyAdvice, run: repeat,
			proves: "a repeat with the same key is not another charge",
		},
		{
			name: "same key at once", promise: NeverTwice, costs: costs(1, racing+1), run: race,
			proves: "concurrent attempts with one key are one charge",
			advice: keyAdvice + " A search for the key before the charge is not enough: two attempts may both find nothing.",
		},
		{
			name: "same key after a lost answer", promise: NeverTwice, costs: costs(lostRounds, 3*lostRounds), run: loseAnswers,
			proves: "a charge whose answer was lost is found, and a repeat does not charge again",
			advice: keyAdvice + " Do it also if the connection closes before the answer.",
		},
		{
			name: "same key, other amount", promise: NeverGuessed, run: otherAmount,
			costs:  recentCosts(func(s Subject) cost { return cost{more(s.Approved), 0, 1} }),
			proves: "a key is for one charge, and the answer to another one says nothing about it",
			advice: "Answer a key that comes with another amount with 422, the mark and {\"code\":\"idempotency_key_reused\"}.",
		},
	}
}

// repeat repeats the first charge.
func repeat(r *run) Finding {
	var others []string
	for range repeats {
		result := r.charge(r.first.charge)
		switch {
		case result.Class != payment.ClassApproved:
			return fail("the key of " + r.first.transactionID + " was approved, and its repeat was " + describe(result))
		case result.TransactionID != r.first.transactionID:
			others = append(others, result.TransactionID)
		}
	}
	if len(others) > 0 {
		return fail(fmt.Sprintf("%d repeats of %s made other charges: %s", repeats, r.first.transactionID, strings.Join(others, ", ")))
	}
	return pass(fmt.Sprintf("%d repeats were answered with the first charge, %s", repeats, r.first.transactionID))
}

// race sends attempts with one key at once.
func race(r *run) Finding {
	var (
		c       = r.order(r.Approved)
		sent    = time.Now()
		results = make([]payment.Result, racing)
		all     sync.WaitGroup
	)
	for i := range results {
		all.Go(func() { results[i] = r.attempt(r.ctx, c) })
	}
	all.Wait()
	var charges []string
	for _, result := range append(results, r.charge(c)) {
		switch result.Class {
		case payment.ClassApproved:
			if !slices.Contains(charges, result.TransactionID) {
				charges = append(charges, result.TransactionID)
			}
		case payment.ClassDeclined, payment.ClassRejected, payment.ClassKeyReused:
			return fail("one of the attempts was " + describe(result)).
				advised("Answer an attempt whose key is being processed with 409 and the mark, or with the result of the other one.")
		default:
		}
	}
	switch {
	case len(charges) == 0:
		return fail("no attempt was approved, and neither was the repeat after them")
	case len(charges) > 1:
		return fail(fmt.Sprintf("%d attempts made %d charges: %s", racing, len(charges), strings.Join(charges, ", ")))
	}
	r.record(c, charges[0], sent)
	if l := r.await(refOf(c)); l.TransactionID != charges[0] {
		return fail("the attempts were answered with " + charges[0] + ", and the lookup says: " + describeLookup(l))
	}
	return pass(fmt.Sprintf("%d attempts made one charge, %s", racing, charges[0]))
}

// loseAnswers drops the connection of an attempt as soon as its request is written.
func loseAnswers(r *run) Finding {
	found := 0
	for range lostRounds {
		c := r.order(r.Approved)
		sent := time.Now()
		if !r.sendAndDrop(c) {
			return skip("the adapter does not show when a request is written", "")
		}
		before := r.lookUp(refOf(c))
		again := r.charge(c)
		if again.Class != payment.ClassApproved {
			return fail("the repeat after the lost answer was " + describe(again))
		}
		if before.Result == payment.FoundApproved {
			found++
			if before.TransactionID != again.TransactionID {
				return fail("the lost answer was a charge, " + before.TransactionID + ", and the repeat was another one, " + again.TransactionID)
			}
		}
		m := r.record(c, again.TransactionID, sent)
		if l := r.await(m.ref()); l.TransactionID != m.transactionID {
			return fail("the repeat was approved as " + m.transactionID + ", and the lookup says: " + describeLookup(l))
		}
		if third := r.charge(c); third.TransactionID != m.transactionID {
			return fail("the repeat was approved as " + m.transactionID + ", and the next one was " + describe(third))
		}
	}
	switch different, listed := r.compareListed(r.made[len(r.made)-lostRounds:]); {
	case different != "":
		return fail(different)
	case !listed:
		return pass(fmt.Sprintf("%d answers were lost, and repeats and lookups agree on one charge for each; without a list, a charge "+
			"that the gateway itself has lost would not show", lostRounds))
	}
	return pass(fmt.Sprintf("%d answers were lost, %d of their charges were found at once, and the list has one charge for each", lostRounds, found))
}

// sendAndDrop makes an attempt and ends it when its request is written, which closes the connection. It
// reports whether that was seen.
func (r *run) sendAndDrop(c payment.Charge) bool {
	ctx, drop := context.WithTimeout(r.ctx, r.Timeout)
	defer drop()
	written := make(chan struct{})
	var once sync.Once
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		WroteRequest: func(httptrace.WroteRequestInfo) {
			once.Do(func() { close(written) })
			drop()
		},
	})
	r.Gateway.Charge(ctx, c)
	select {
	case <-written:
		return r.sleep(pollInterval) // the gateway may be at work
	default:
		return false
	}
}

// more returns a slightly larger amount.
func more(m payment.Money) payment.Money {
	larger, _ := payment.MoneyFromMinor(m.Minor()+1, m.Currency()) // an error is no amount
	return larger
}

// otherAmount uses a key for another amount.
func otherAmount(r *run) Finding {
	m, wrong := r.recent()
	if wrong != nil {
		return *wrong
	}
	other := m.charge
	other.Money = more(other.Money)
	result := r.charge(other)
	found := "the key of " + m.transactionID + " with another amount was " + describe(result)
	switch {
	case result.Class == payment.ClassApproved && result.TransactionID != m.transactionID:
		return fail(found).advised(keyAdvice)
	case result.Class != payment.ClassApproved && result.Class != payment.ClassKeyReused:
		return fail(found)
	}
	if l := r.await(m.ref()); l.TransactionID != m.transactionID {
		return fail(found + ", and the lookup of the key now says: " + describeLookup(l))
	}
	return pass(found)
}
