package httpgateway

import (
	"cmp"
	"net/http"
	"net/textproto"
	"strconv"

	"paymentd/core/payment"
)

// lookup classifies an answer to a lookup of the operation.
func (a answer) lookup(about payment.ChargeRef) payment.Lookup {
	if !a.marked(about.Key) {
		return payment.Lookup{Result: payment.FoundNoAnswer, Message: a.unmarked()}
	}
	switch a.status {
	case http.StatusOK, http.StatusNotFound:
	default:
		return payment.Lookup{Result: payment.FoundNoAnswer, Message: a.message()}
	}
	found := payment.Lookup{Result: payment.FoundNoAnswer}
	said, err := a.object()
	switch {
	case err != nil:
	case a.status == http.StatusOK:
		found, err = said.found(about)
	default:
		found, err = said.nothing(about)
	}
	if err == nil && found.Result != payment.FoundApproved && !a.fresh() {
		// An approval never changes, but any other state may have changed since the answer was
		// cached.
		found, err = payment.Lookup{Result: payment.FoundNoAnswer}, errCached
	}
	switch {
	case err != nil:
		found.Message = a.unreadable(err)
	case found.Result == payment.FoundDeclined:
		found.Message = clip(said.humanText("the gateway declined"))
	case found.Result != payment.FoundApproved:
		found.Message = clip("the gateway answered " + a.describe())
		if status := said.status(); status != "" {
			_, noURL := said.redirectURL()
			_, noTime := said.expiresAt()
			found.Message = clip(found.Message + ", with status " + quote(status) + noURL + noTime)
		}
	}
	return found
}

// nothing classifies the body of a 404. No charge has the key if the body has the code not_found
// and no member that contradicts it.
func (o object) nothing(about payment.ChargeRef) (payment.Lookup, error) {
	none := payment.Lookup{Result: payment.FoundNoAnswer}
	_, err := o.found(about)
	switch {
	case o.text("code") != codeNotFound:
		return none, errNotFound
	case o.exists() || o.value("transaction_id") != nil || err == nil:
		return none, errBoth
	}
	return payment.Lookup{Result: payment.FoundNothing}, nil
}

// found classifies the body of a 2xx about an operation. The error is errStatus if the operation has no such status.
func (o object) found(about payment.ChargeRef) (payment.Lookup, error) {
	switch kind, status := about.Operation.Kind, o.status(); {
	case kind == payment.KindCharge:
		return o.foundCharge(about)
	case kind == payment.KindVoid:
		return o.foundVoid(about)
	case kind == payment.KindRefund && status == statusReturned:
		return payment.Lookup{Result: payment.FoundReturned}, nil
	case status == statusSucceeded:
		return o.approved()
	}
	return o.undone()
}

// foundCharge is found for a charge, which may hold money, of which a part may have been captured.
func (o object) foundCharge(about payment.ChargeRef) (payment.Lookup, error) {
	switch o.status() {
	case statusSucceeded:
		l, err := o.approved()
		if err == nil {
			l.Captured, err = o.captured(about)
		}
		if err != nil {
			return payment.Lookup{Result: payment.FoundNoAnswer}, err
		}
		return l, nil
	case statusAuthorized:
		return o.authorized()
	}
	return o.undone()
}

// foundVoid is found for a void, whose own result is that the charge is voided. A gateway may give it no transaction
// of its own; its key identifies it then. A "succeeded" with the transaction of the charge is the state of the charge.
func (o object) foundVoid(about payment.ChargeRef) (payment.Lookup, error) {
	switch o.status() {
	case statusSucceeded:
		l, err := o.approved()
		if err == nil && l.TransactionID == about.Of.TransactionID {
			return payment.Lookup{Result: payment.FoundNoAnswer}, errOfCharge
		}
		return l, err
	case statusVoided, statusCancelled:
		if charged, _ := o.charged(); charged || o.fails() {
			return payment.Lookup{Result: payment.FoundNoAnswer}, errBoth
		}
		return payment.Lookup{
			Result: payment.FoundApproved, TransactionID: cmp.Or(o.reference(), string(about.Key)),
		}, nil
	}
	return o.undone()
}

// approved classifies the body of an operation that succeeded.
func (o object) approved() (payment.Lookup, error) {
	id, err := o.approval()
	if err != nil {
		return payment.Lookup{Result: payment.FoundNoAnswer}, err
	}
	return payment.Lookup{Result: payment.FoundApproved, TransactionID: id}, nil
}

// authorized classifies the body of a charge that holds money.
func (o object) authorized() (payment.Lookup, error) {
	id := o.text("transaction_id")
	charged, _ := o.charged()
	switch {
	case charged || o.fails():
		return payment.Lookup{Result: payment.FoundNoAnswer}, errBoth
	case !usableID(id):
		return payment.Lookup{Result: payment.FoundNoAnswer}, errID
	}
	expires, _ := o.expiresAt()
	return payment.Lookup{Result: payment.FoundAuthorized, TransactionID: id, HoldExpires: expires}, nil
}

// undone classifies the body of an operation that has not succeeded.
func (o object) undone() (payment.Lookup, error) {
	none := payment.Lookup{Result: payment.FoundNoAnswer}
	charged, _ := o.charged()
	switch o.status() {
	case statusDeclined:
		if charged {
			return none, errBoth
		}
		return payment.Lookup{Result: payment.FoundDeclined, Code: o.code()}, nil
	case statusPending:
		redirectURL, _ := o.redirectURL()
		return payment.Lookup{Result: payment.FoundPending, Reference: o.reference(), RedirectURL: redirectURL}, nil
	case statusProcessing:
		return payment.Lookup{Result: payment.FoundProcessing}, nil
	case statusVoided, statusCancelled:
		if charged {
			return none, errBoth
		}
		return payment.Lookup{Result: payment.FoundVoided}, nil
	case "":
		return none, errNoStatus
	}
	return none, errStatus
}

// fresh reports whether the answer was made for this request, not taken from a cache (RFC 9111,
// section 5.1). An Age that cannot be parsed means that it was cached.
func (a answer) fresh() bool {
	for _, value := range a.header["Age"] {
		if age, err := strconv.ParseUint(textproto.TrimString(value), 10, 63); err != nil || age != 0 {
			return false
		}
	}
	return true
}
