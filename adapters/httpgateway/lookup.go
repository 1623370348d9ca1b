package httpgateway

import (
	"net/http"
	"net/textproto"
	"strconv"

	"paymentd/core/payment"
)

// lookup classifies an answer to a lookup of the charge with this key.
func (a answer) lookup(key payment.GatewayKey) payment.Lookup { return a.find(key, object.found) }

// find classifies an answer to a lookup of this key. read classifies the body of a 200.
func (a answer) find(key payment.GatewayKey, read func(object) (payment.Lookup, error)) payment.Lookup {
	if !a.marked(key) {
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
		found, err = read(said)
	default:
		found, err = said.nothing()
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
			_, dropped := said.redirectURL()
			found.Message = clip(found.Message + ", with status " + quote(status) + dropped)
		}
	}
	return found
}

// nothing classifies the body of a 404. No charge has the key if the body has the code not_found
// and no member that contradicts it.
func (o object) nothing() (payment.Lookup, error) {
	none := payment.Lookup{Result: payment.FoundNoAnswer}
	_, err := o.found()
	switch {
	case o.text("code") != codeNotFound:
		return none, errNotFound
	case o.exists() || o.value("transaction_id") != nil || err == nil:
		return none, errBoth
	}
	return payment.Lookup{Result: payment.FoundNothing}, nil
}

// found classifies the body of a 200 about a charge.
func (o object) found() (payment.Lookup, error) {
	none := payment.Lookup{Result: payment.FoundNoAnswer}
	charged, _ := o.charged()
	switch o.status() {
	case statusSucceeded:
		id, err := o.approval()
		if err != nil {
			return none, err
		}
		return payment.Lookup{Result: payment.FoundApproved, TransactionID: id}, nil
	case statusDeclined:
		if charged {
			return none, errBoth
		}
		return payment.Lookup{Result: payment.FoundDeclined, Code: o.code()}, nil
	case statusPending, statusAuthorized:
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
