package gatewaycheck

import (
	"fmt"
	"time"

	"paymentd/core/payment"
)

const (
	holdAdvice = "Store the key of a capture or a void in the same transaction as what it does, with a unique index, and answer a key that is " +
		"stored with the result that is stored with it."
	endAdvice = "Lock the charge while a capture or a void of it is decided. A hold has one end: a capture of at most the hold, a void, or its " +
		"expiry. Refuse all else with 402, the mark, {\"status\":\"declined\"} and a code."
)

func holdChecks() []check {
	return []check{
		{
			name: "hold, same key again", promise: NeverTwice, costs: costs(0, 1+repeats), run: repeatHold, advice: keyAdvice,
			proves: "a charge with capture manual takes no money, is found as authorized, and its repeat is not another hold",
		},
		{
			name: "capture, same key again", promise: NeverTwice, costs: costs(1, 2+repeats), run: repeatCapture, advice: holdAdvice,
			proves: "a repeat of a capture with the same key is not another capture, and a lookup finds it",
		},
		{
			name: "capture of more than is held", promise: NeverTwice, run: exceedHold, advice: endAdvice,
			costs: func(s Subject) []cost {
				return []cost{{s.Approved, 1, 3}, {more(s.Approved), 0, 1}}
			},
			proves: "captures take at most what is held, and once",
		},
		{
			name: "capture of a part", promise: NeverSilent, costs: costs(1, 2), run: capturePart,
			proves: "a lookup of a charge that was captured in part says how much was taken",
			advice: "Answer GET {base}/charges/{key} with the status succeeded and, after a capture of less than the charge, the string " +
				"captured, such as \"60.00\".",
		},
		{
			name: "void, same key again", promise: NeverLost, costs: costs(0, 1), run: repeatVoid, advice: holdAdvice,
			proves: "a void releases what is held, is found, and its repeat is answered as it was",
		},
		{
			name: "capture after a void", promise: NeverTwice, costs: costs(0, 2), run: captureVoided, advice: endAdvice,
			proves: "money that was released cannot be captured",
		},
		{
			name: "void after a capture", promise: NeverLost, costs: costs(1, 2), run: voidCaptured, advice: endAdvice,
			proves: "a void of a charge that was captured is refused, and leaves it as it is",
		},
	}
}

// operationOf returns an operation of a charge with a key that was never used.
func (r *run) operationOf(m made, kind payment.Kind, money payment.Money) payment.Charge {
	c := r.refundOf(m, money)
	c.Operation = payment.OperationID{Kind: kind}
	return c
}

// lookUpOperation looks up an operation that was approved, until it is found.
func (r *run) lookUpOperation(c payment.Charge) payment.Lookup {
	ref := refOf(c)
	ref.Operation, ref.Of = c.Operation, c.Of
	return r.await(ref)
}

// hold makes a charge that holds the money. Its finding says why it did not.
func (r *run) hold() (made, *Finding) {
	noHold := func(found string) *Finding {
		f := skip(found, "Nothing, unless payments with capture manual are to go to this gateway. Otherwise name what it can do: "+
			"operations: [refund], in the gateways file.")
		return &f
	}
	switch {
	case !r.Gateway.Capabilities().Operations.Has(payment.OperationCapture | payment.OperationVoid):
		return made{}, noHold("the adapter declares no captures and voids")
	case r.unheld != "":
		return made{}, noHold(r.unheld)
	}
	c := r.order(r.Approved)
	c.Capture = payment.CaptureManual
	sent := time.Now()
	result := r.charge(c)
	switch result.Class {
	case payment.ClassAuthorized:
		return made{charge: c, transactionID: result.TransactionID, sent: sent}, nil
	case payment.ClassApproved:
		r.record(c, result.TransactionID, sent)
		r.unheld = "a charge with capture manual took the money at once, as " + result.TransactionID
	default:
		r.unheld = "a charge with capture manual was " + describe(result)
	}
	return made{}, noHold(r.unheld)
}

// captured makes a charge that holds the money, and captures it. The charge is compared with the list later.
func (r *run) captured() (m made, capture payment.Charge, id string, wrong *Finding) {
	if m, wrong = r.hold(); wrong != nil {
		return made{}, payment.Charge{}, "", wrong
	}
	capture = r.operationOf(m, payment.KindCapture, r.Approved)
	result := r.charge(capture)
	if result.Class != payment.ClassApproved {
		f := fail("a capture of " + m.transactionID + " was " + describe(result))
		return made{}, payment.Charge{}, "", &f
	}
	r.made = append(r.made, m)
	return m, capture, result.TransactionID, nil
}

// repeatHold repeats a charge that holds the money.
func repeatHold(r *run) Finding {
	m, wrong := r.hold()
	if wrong != nil {
		return *wrong
	}
	for range repeats {
		if again := r.charge(m.charge); again.Class != payment.ClassAuthorized || again.TransactionID != m.transactionID {
			return fail("a hold was authorized as " + m.transactionID + ", and its repeat was " + describe(again))
		}
	}
	if l := r.await(m.ref()); l.Result != payment.FoundAuthorized || l.TransactionID != m.transactionID {
		return fail("a hold was authorized as " + m.transactionID + ", and the lookup says: " + describeLookup(l))
	}
	return pass(fmt.Sprintf("%d repeats were answered with the first hold, %s", repeats, m.transactionID))
}

// repeatCapture repeats a capture, and looks it and its charge up.
func repeatCapture(r *run) Finding {
	m, capture, id, wrong := r.captured()
	if wrong != nil {
		return *wrong
	}
	for range repeats {
		if again := r.charge(capture); again.Class != payment.ClassApproved || again.TransactionID != id {
			return fail("a capture of " + m.transactionID + " was approved as " + id + ", and its repeat was " + describe(again))
		}
	}
	if l := r.lookUpOperation(capture); l.TransactionID != id {
		return fail("a capture of " + m.transactionID + " was approved as " + id + ", and the lookup says: " + describeLookup(l)).
			advised("Answer GET {base}/charges/{key of the charge}/captures/{key of the capture} with the state of the capture.")
	}
	if l := r.await(m.ref()); l.TransactionID != m.transactionID || l.Result != payment.FoundApproved {
		return fail(m.transactionID + " was captured as " + id + ", and the lookup of the charge says: " + describeLookup(l))
	}
	return pass(fmt.Sprintf("%d repeats were answered with the first capture, %s", repeats, id))
}

// exceedHold captures more than is held, and then all of it twice, with two keys.
func exceedHold(r *run) Finding {
	m, wrong := r.hold()
	if wrong != nil {
		return *wrong
	}
	if result := r.charge(r.operationOf(m, payment.KindCapture, more(r.Approved))); !refused(result) {
		return fail("a capture of " + more(r.Approved).String() + ", which is more than is held as " + m.transactionID + ", was " + describe(result))
	}
	first := r.charge(r.operationOf(m, payment.KindCapture, r.Approved))
	if first.Class != payment.ClassApproved {
		return fail("a capture of all that is held as " + m.transactionID + " was " + describe(first))
	}
	r.made = append(r.made, m)
	again := r.charge(r.operationOf(m, payment.KindCapture, r.Approved))
	found := m.transactionID + " was captured as " + first.TransactionID + ", and a second capture with another key was " + describe(again)
	if !refused(again) {
		return fail(found)
	}
	return pass(found)
}

// capturePart captures half of what is held, and looks the charge up.
func capturePart(r *run) Finding {
	half, err := payment.MoneyFromMinor(r.Approved.Minor()/2, r.Approved.Currency())
	if err != nil {
		return skip(r.Approved.String()+" has no half", "Name a larger --approved-amount.")
	}
	m, wrong := r.hold()
	if wrong != nil {
		return *wrong
	}
	result := r.charge(r.operationOf(m, payment.KindCapture, half))
	switch {
	case refused(result):
		return skip("a capture of a part of "+m.transactionID+" was "+describe(result), "Nothing, unless parts are to be captured.")
	case result.Class != payment.ClassApproved:
		return fail("a capture of a part of " + m.transactionID + " was " + describe(result))
	}
	l := r.await(m.ref())
	if l.Result != payment.FoundApproved || l.Captured != half {
		taken := "all of it"
		if !l.Captured.IsZero() {
			taken = l.Captured.String()
		}
		return fail(half.String() + " of " + m.transactionID + " were captured, and the lookup says: " + describeLookup(l) + ", with " + taken)
	}
	return pass(half.String() + " of " + m.transactionID + " were captured, and the lookup of the charge says so")
}

// voided makes a charge that holds the money, and voids it.
func (r *run) voided() (m made, void payment.Charge, id string, wrong *Finding) {
	if m, wrong = r.hold(); wrong != nil {
		return made{}, payment.Charge{}, "", wrong
	}
	void = r.operationOf(m, payment.KindVoid, r.Approved)
	result := r.charge(void)
	if result.Class != payment.ClassApproved {
		f := fail("a void of " + m.transactionID + " was " + describe(result))
		return made{}, payment.Charge{}, "", &f
	}
	return m, void, result.TransactionID, nil
}

// repeatVoid repeats a void, and looks it and its charge up.
func repeatVoid(r *run) Finding {
	m, void, id, wrong := r.voided()
	if wrong != nil {
		return *wrong
	}
	for range repeats {
		if again := r.charge(void); again.Class != payment.ClassApproved || again.TransactionID != id {
			return fail(m.transactionID + " was voided, and the repeat of the void was " + describe(again))
		}
	}
	if l := r.lookUpOperation(void); l.TransactionID != id {
		return fail(m.transactionID + " was voided, and the lookup of the void says: " + describeLookup(l)).
			advised("Answer GET {base}/charges/{key of the charge}/voids/{key of the void} with the state of the void.")
	}
	if l := r.await(m.ref()); l.Result != payment.FoundVoided {
		return fail(m.transactionID + " was voided, and the lookup of the charge says: " + describeLookup(l))
	}
	return pass(fmt.Sprintf("%s was voided, and %d repeats were answered as the first void", m.transactionID, repeats))
}

// captureVoided captures money that was released.
func captureVoided(r *run) Finding {
	m, _, _, wrong := r.voided()
	if wrong != nil {
		return *wrong
	}
	result := r.charge(r.operationOf(m, payment.KindCapture, r.Approved))
	found := m.transactionID + " was voided, and a capture of it was " + describe(result)
	if !refused(result) {
		return fail(found)
	}
	return pass(found)
}

// voidCaptured voids a charge that was captured.
func voidCaptured(r *run) Finding {
	m, _, id, wrong := r.captured()
	if wrong != nil {
		return *wrong
	}
	result := r.charge(r.operationOf(m, payment.KindVoid, r.Approved))
	found := m.transactionID + " was captured as " + id + ", and a void of it was " + describe(result)
	if !refused(result) {
		return fail(found)
	}
	if l := r.await(m.ref()); l.Result != payment.FoundApproved {
		return fail(found + "; the lookup of the charge says: " + describeLookup(l))
	}
	return pass(found)
}

// refused reports whether an attempt provably moved no money, and never will.
func refused(r payment.Result) bool {
	return r.Class == payment.ClassDeclined || r.Class == payment.ClassRejected
}
