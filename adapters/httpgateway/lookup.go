package httpgateway

import (
	"net/http"

	"paymentd/core/payment"
)

// lookup says what an answer to a lookup means.
func (a answer) lookup() payment.Lookup {
	switch a.status {
	case http.StatusOK:
		return a.found()
	case http.StatusNotFound:
		// A gateway may leave the body of its 404 empty. A web page is not a gateway's: a
		// load balancer sends one that has lost its way, and that proves nothing.
		if !a.html() {
			return payment.Lookup{Finding: payment.FoundNothing, Message: a.describe()}
		}
	}
	return payment.Lookup{Finding: payment.FoundNoAnswer, Message: a.describe()}
}

// found says what a 200 to a lookup means. Unlike a charge it must name the status.
func (a answer) found() payment.Lookup {
	said, err := a.charge()
	if err == nil {
		switch said.Status {
		case statusSucceeded:
			if err = said.checkTransactionID(); err == nil {
				return payment.Lookup{Finding: payment.FoundApproved, TransactionID: said.TransactionID}
			}
		case statusDeclined:
			return payment.Lookup{
				Finding: payment.FoundDeclined, Code: said.code(),
				Message: clip(said.words("the gateway declined")),
			}
		case statusProcessing:
			return payment.Lookup{Finding: payment.FoundProcessing, Message: a.describe()}
		default:
			err = errStatus
		}
	}
	return payment.Lookup{
		Finding: payment.FoundNoAnswer,
		Message: clip(a.describe() + ", which cannot be read: " + err.Error()),
	}
}
