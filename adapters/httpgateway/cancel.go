package httpgateway

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"

	"paymentd/core/payment"
	"paymentd/internal/httpcall"
)

// maxKeyBytes is the longest key that gateways accept in general.
const maxKeyBytes = 255

// voidKey returns the Idempotency-Key of the void of a charge. It depends on the key of the charge only,
// so that each repeat is the same void: "void-" and that key, or the key's SHA-256 in hex if the result
// would exceed 255 characters.
func voidKey(key payment.GatewayKey) payment.GatewayKey {
	const prefix = "void-"
	if len(prefix)+len(key) > maxKeyBytes {
		sum := sha256.Sum256([]byte(key))
		key = payment.GatewayKey(hex.EncodeToString(sum[:]))
	}
	return prefix + key
}

// Cancel voids the charge; see ports.Gateway. Only a marked answer that the charge is voided is taken as
// it is. After any other, and after none, the charge is looked up: the gateway may have no voids, the
// charge may have succeeded before, and an answer may be lost.
//
// Each of the two requests has the timeout of an attempt.
func (g *Gateway) Cancel(ctx context.Context, ref payment.ChargeRef) payment.Lookup {
	if ref.Key == "" || !ref.Operation.IsCharge() {
		return g.LookUp(ctx, ref) // which says that there is no key; other operations cannot be cancelled
	}
	message, voided := g.void(ctx, ref.Key)
	if voided {
		return payment.Lookup{Result: payment.FoundVoided, Message: message}
	}
	found := g.LookUp(ctx, ref)
	if found.Result != payment.FoundApproved && found.Result != payment.FoundVoided {
		found.Message = clip(found.Message + "; to the void: " + message)
	}
	return found
}

// void requests the void of a charge that is pending. It reports whether the gateway has voided the charge, and what it
// answered.
func (g *Gateway) void(ctx context.Context, charge payment.GatewayKey) (message string, voided bool) {
	ctx, cancel := httpcall.WithTimeout(ctx, g.timeout)
	defer cancel()
	key := voidKey(charge)
	of := payment.ChargeRef{Operation: payment.OperationID{Kind: payment.KindVoid}, Of: payment.ChargeID{Key: charge}}
	a, lost := g.exchange(ctx, http.MethodPost, g.operationsURL(of), payment.ChargeRef{Key: key}, voidBody)
	switch {
	case lost != nil:
		return lost.Error(), false
	case !a.marked(key):
		return a.unmarked(), false
	case a.status/100 != 2:
		return a.message(), false
	}
	if !a.fresh() {
		return a.unreadable(errCached), false
	}
	said, err := a.object()
	if err != nil {
		return a.unreadable(err), false
	}
	found, err := said.foundCharge(payment.ChargeRef{Key: charge})
	if err != nil {
		return a.unreadable(err), false
	}
	return a.message() + ", with status " + quote(said.status()), found.Result == payment.FoundVoided
}
