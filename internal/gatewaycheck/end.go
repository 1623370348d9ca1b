package gatewaycheck

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"paymentd/core/payment"
	"paymentd/ports"
)

const (
	// maxPages bounds the list that is read.
	maxPages = 1000
	// clockMargin is how far the gateway's clock may be off.
	clockMargin = 15 * time.Minute
)

func endChecks() []check {
	return []check{
		{
			name: "cancel after a success", promise: NeverLost, run: cancelLate, costs: recentCosts(),
			proves: "a cancellation that comes too late is answered with the charge",
			advice: "Refuse the void of a charge that has succeeded, and leave the charge as it is.",
		},
		{
			name: "cancel a pending charge", promise: NeverTwice, run: cancelPending,
			costs:  func(s Subject) []cost { return []cost{{s.Pending, 0, 2}} },
			proves: "a charge that was cancelled can take no money any more, so that another payment method may be tried",
			advice: "Answer a void with {\"status\":\"voided\"} only if the charge can take no money any more, and say so in each later lookup.",
		},
		{
			name: "list of charges", promise: NeverSilent, run: compareList,
			proves: "the list has each charge once, with its amount and its transaction id, so that an audit can find differences",
			advice: "Let GET /charges?from=&to=&cursor= list every charge that was made in this time, once, as it was charged.",
		},
		{
			name: "lifetime of a key", promise: NeverTwice, costs: costs(1, 2), run: checkLifetime,
			proves: "a key is remembered for as long as the service may repeat it",
			advice: "Keep keys for as long as declared, or declare a shorter time with --key-lifetime, and to the service with " +
				"PAYMENTD_GATEWAY_KEY_LIFETIME.",
		},
	}
}

func cancelLate(r *run) Finding {
	m, wrong := r.recent()
	if wrong != nil {
		return *wrong
	}
	l := r.cancel(m.ref())
	found := "after the cancellation, " + m.transactionID + " is " + describeLookup(l)
	if l.Result != payment.FoundApproved || l.TransactionID != m.transactionID {
		return fail(found)
	}
	return pass(found)
}

// cancelPending cancels a charge before it is decided.
func cancelPending(r *run) Finding {
	if !r.Gateway.Capabilities().Cancels {
		return skip("the gateway declares that it cannot cancel", "")
	}
	if r.Pending.IsZero() {
		return skip("no amount is known whose charge stays pending", "Name one with --pending-amount, if there is any.")
	}
	c := r.order(r.Pending)
	result := r.charge(c)
	if result.Class == payment.ClassApproved {
		r.record(c, result.TransactionID, r.began)
	}
	if result.Class != payment.ClassPending {
		return skip(r.Pending.String()+" is not pending, but "+describe(result), "Name an amount that is with --pending-amount.")
	}
	ref := refOf(c)
	ref.Reference = result.Reference
	switch l := r.cancel(ref); l.Result {
	case payment.FoundVoided:
	case payment.FoundPending:
		return skip("the charge is still pending after its cancellation"+because(l.Message),
			"Serve POST /charges/{key}/voids, or payments that customers abandon stay pending until the gateway decides.")
	default:
		return fail("after its cancellation, the charge is " + describeLookup(l))
	}
	if again := r.charge(c); again.Class == payment.ClassApproved {
		return fail("the charge was cancelled, and a repeat was " + describe(again))
	}
	if l := r.await(ref); l.Result != payment.FoundVoided {
		return fail("the charge was cancelled, and the lookup says: " + describeLookup(l))
	}
	return pass("a pending charge was cancelled, and its repeat took no money")
}

// compareList compares the gateway's list with the charges of this run.
func compareList(r *run) Finding {
	ledger, ok := r.Gateway.(ports.Ledger)
	if !ok {
		return skip("the adapter has no list of charges", "")
	}
	_, err := r.readList(ledger)
	switch {
	case errors.Is(err, ports.ErrNoLedger):
		return skip("the gateway has no list of its charges", "Serve GET /charges?from=&to=&cursor=, or `paymentd audit` cannot compare.")
	case err != nil:
		return fail("the list cannot be read: " + err.Error())
	}
	if different, _ := r.compareListed(r.made); different != "" {
		return fail(different)
	}
	return pass(fmt.Sprintf("the list has the %d charges of this run, each once and as it was charged", len(r.made)))
}

// compareListed compares charges with the gateway's list, and reports whether it has one that can be read.
func (r *run) compareListed(made []made) (different string, listed bool) {
	ledger, ok := r.Gateway.(ports.Ledger)
	if !ok {
		return "", false
	}
	deadline := time.Now().Add(r.Gateway.Capabilities().LookupLag + r.Wait)
	for {
		all, err := r.readList(ledger)
		if err != nil {
			return "", false
		}
		different = compare(made, all)
		if different == "" || time.Now().After(deadline) || !r.sleep(pollInterval) {
			return different, true
		}
	}
}

// readList reads the charges since the beginning of the run, by key.
func (r *run) readList(ledger ports.Ledger) (map[payment.GatewayKey][]payment.LedgerCharge, error) {
	all := make(map[payment.GatewayKey][]payment.LedgerCharge)
	q := payment.LedgerQuery{From: r.began.Add(-clockMargin), To: time.Now().Add(clockMargin)}
	for range maxPages {
		page, err := ledger.Charges(r.ctx, q)
		if err != nil {
			return nil, err
		}
		if len(page.Unreadable) > 0 {
			return nil, errors.New(page.Unreadable[0])
		}
		for _, c := range page.Charges {
			if strings.Contains(string(c.OrderID), r.id) {
				all[c.Key] = append(all[c.Key], c)
			}
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			return all, nil
		}
	}
	return nil, fmt.Errorf("it has more than %d pages", maxPages)
}

// compare returns the first difference between charges and the list; empty if there is none.
func compare(made []made, listed map[payment.GatewayKey][]payment.LedgerCharge) string {
	for _, m := range made {
		var approved []payment.LedgerCharge
		for _, c := range listed[m.charge.Key] {
			if c.State == payment.FoundApproved {
				approved = append(approved, c)
			}
		}
		switch {
		case len(approved) == 0:
			return "the list lacks " + m.transactionID + ", or does not say that it succeeded"
		case len(approved) > 1:
			return fmt.Sprintf("the list has %d charges with the key of %s", len(approved), m.transactionID)
		case approved[0].TransactionID != m.transactionID:
			return "the list has " + approved[0].TransactionID + " in place of " + m.transactionID
		case approved[0].Money != m.charge.Money:
			return "the list has " + m.transactionID + " with " + approved[0].Money.String() + ", and " + m.charge.Money.String() + " were charged"
		}
	}
	return ""
}

// checkLifetime repeats a key that has some age: the first one of the run, or a new one if the declared
// lifetime is so short that the first one is nearly over. The service, too, does not repeat a key to the end
// of its lifetime.
func checkLifetime(r *run) Finding {
	declared := r.Gateway.Capabilities().KeyLifetime
	m, due := r.first, r.Wait
	if declared > 0 {
		due = min(due, declared*3/4)
		var wrong *Finding
		if m, wrong = r.recent(); wrong != nil {
			return *wrong
		}
	}
	if !r.sleep(time.Until(m.sent.Add(due))) {
		return fail("the run was ended")
	}
	age := time.Since(m.sent)
	again := r.charge(m.charge)
	switch {
	case again.Class == payment.ClassApproved && again.TransactionID != m.transactionID:
		return fail("a key that was " + seconds(age) + " old was forgotten, and its repeat was another charge, " + again.TransactionID)
	case again.Class != payment.ClassApproved:
		return fail("the repeat of a key that was " + seconds(age) + " old was " + describe(again))
	case r.lookUp(m.ref()).TransactionID != m.transactionID:
		return fail("the lookup of a key that was " + seconds(age) + " old did not find its charge")
	case declared > 0 && age >= declared/2:
		return pass("a key was remembered for " + seconds(age) + " of its declared " + lifetime(declared))
	case declared > 0:
		return unproven(age, lifetime(declared))
	}
	return unproven(age, "ever")
}

// lifetime formats a lifetime, without zeros at the end.
func lifetime(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// unproven is the finding for a lifetime that is longer than the run.
func unproven(age time.Duration, declared string) Finding {
	return skip("a key was remembered for "+seconds(age)+"; that it is remembered for "+declared+", as declared, is unproven",
		"Let a test gateway forget keys after some seconds, and name that time with --key-lifetime; or raise --wait.")
}
