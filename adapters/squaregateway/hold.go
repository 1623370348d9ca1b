package squaregateway

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"paymentd/core/payment"
	"paymentd/internal/httpcall"
)

// updateRequest is the body of UpdatePayment.
type updateRequest struct {
	IdempotencyKey string        `json:"idempotency_key"`
	Payment        updatePayment `json:"payment"`
}

type updatePayment struct {
	AmountMoney  money  `json:"amount_money"`
	VersionToken string `json:"version_token,omitempty"`
}

// completeRequest is the body of CompletePayment.
type completeRequest struct {
	VersionToken string `json:"version_token,omitempty"`
}

// capture makes one attempt at a capture: GetPayment, UpdatePayment if the payment has another amount, and
// CompletePayment with the version that has the amount, so that no other amount is taken. Only the last of these takes
// money.
func (g *Gateway) capture(ctx context.Context, c payment.Charge) payment.Result {
	amount, err := checkHold(c)
	if err != nil {
		return payment.Result{Class: payment.ClassRejected, Message: clip(err.Error() + "; nothing was sent")}
	}
	ctx, cancel := httpcall.WithTimeout(ctx, g.timeout)
	defer cancel()
	p, r := g.readHold(ctx, c)
	if p == nil {
		return r
	}
	if p.money != amount {
		if p, r = g.changeHold(ctx, c, p, amount); p == nil {
			return r
		}
	}
	return g.complete(ctx, c, p)
}

// checkHold refuses a capture or a void that Square cannot make.
func checkHold(c payment.Charge) (money, error) {
	switch {
	case !printable(string(c.Key)):
		return money{}, errors.New("the operation has no gateway key")
	case !usableID(c.Of.TransactionID): // an empty one would turn CancelPayment into the call that cancels by key
		return money{}, errors.New("a capture or a void by Square needs the id of a payment of Square")
	}
	return moneyOf(c.Money)
}

// readHold returns the payment of a capture if it holds money, and otherwise the result. Nothing was captured by this
// attempt then.
func (g *Gateway) readHold(ctx context.Context, c payment.Charge) (*squarePayment, payment.Result) {
	a, why := g.getAnswer(ctx, c.Of.TransactionID, c.Of.Key)
	switch {
	case why != "":
		return nil, notCaptured(a, why)
	case !a.fresh() && a.payment.status != statusCompleted:
		return nil, notCaptured(answer{}, "the payment comes from a cache (Age)")
	case a.payment.status == statusApproved:
		return a.payment, payment.Result{}
	}
	return nil, a.payment.ended(c.Operation.Kind, c.Money).result(payment.ClassNotCharged)
}

// notCaptured returns the result of an attempt that ended before CompletePayment. The answer is the one that ended it.
func notCaptured(a answer, why string) payment.Result {
	r := payment.Result{
		Class: payment.ClassNotCharged, Message: clip("nothing was captured: " + why),
		Answered: len(a.errors) > 0, RetryAfter: a.retryAfter(),
	}
	if len(a.errors) == 0 {
		return r
	}
	switch class, e := worst(a.errors); {
	case e.aboutVersion(): // a repeat reads the payment again
	case class == payment.ClassDeclined:
		declined := decline([]apiError{e})
		r.Class, r.Code, r.Message = declined.Class, declined.Code, declined.Message
	case class == payment.ClassRejected:
		r.Class = class
	}
	return r
}

// aboutVersion reports whether the error says that the payment has changed since it was read.
func (e apiError) aboutVersion() bool {
	return e.code == "VERSION_MISMATCH" || strings.HasPrefix(e.code, "DELAYED_TRANSACTION_")
}

// changeHold sets the amount of a payment that holds money, and returns it as it is then, or the result. That takes no
// money. The update counts only for the version that was read, so that one which arrives late changes nothing. Its
// idempotency key follows from that version and from the gateway key: a repeat with the same key has the same body.
func (g *Gateway) changeHold(ctx context.Context, c payment.Charge, p *squarePayment, amount money) (*squarePayment, payment.Result) {
	sum := sha256.Sum256([]byte(string(c.Key) + "\n" + p.version))
	a, failed := g.call(ctx, http.MethodPut, paymentPath(p.id), nil, updateRequest{
		IdempotencyKey: hex.EncodeToString(sum[:20]), // 40 characters of at most 45
		Payment:        updatePayment{AmountMoney: amount, VersionToken: p.version},
	})
	switch {
	case failed != nil:
		return nil, notCaptured(answer{}, failed.message)
	case !a.own(c.Of.Key):
		return nil, notCaptured(answer{}, a.foreign())
	case !a.success() || a.payment == nil || a.payment.id != p.id || a.payment.status != statusApproved || a.payment.money != amount:
		return nil, notCaptured(a, "Square answered "+a.describe()+" to the change of the amount")
	}
	return a.payment, payment.Result{}
}

// complete takes the money of a payment that holds exactly the amount of the capture.
func (g *Gateway) complete(ctx context.Context, c payment.Charge, p *squarePayment) payment.Result {
	deadline, _ := ctx.Deadline()
	left := time.Until(deadline)
	if left < g.timeout/4 {
		return notCaptured(answer{}, "the timeout is too near to take the money")
	}
	// The rest of the time is for GetPayment, if the answer is lost.
	part, cancel := context.WithTimeout(ctx, left*2/3)
	defer cancel()
	a, failed := g.call(part, http.MethodPost, paymentPath(p.id, "complete"), nil, completeRequest{VersionToken: p.version})
	return g.endHold(ctx, c, a, failed)
}

// void makes one attempt at a void: CancelPayment.
func (g *Gateway) void(ctx context.Context, c payment.Charge) payment.Result {
	if _, err := checkHold(c); err != nil {
		return payment.Result{Class: payment.ClassRejected, Message: clip(err.Error() + "; nothing was sent")}
	}
	ctx, cancel := httpcall.WithTimeout(ctx, g.timeout)
	defer cancel()
	part, cancelPart := context.WithTimeout(ctx, g.timeout*2/3)
	defer cancelPart()
	a, failed := g.call(part, http.MethodPost, paymentPath(c.Of.TransactionID, "cancel"), nil, nil)
	return g.endHold(ctx, c, a, failed)
}

// endHold returns the result of CompletePayment or CancelPayment. Neither has a key, so that GetPayment decides after
// any answer but the state that was asked for.
func (g *Gateway) endHold(ctx context.Context, c payment.Charge, a answer, failed *lost) payment.Result {
	switch {
	case failed != nil && !failed.mayHaveLeft:
		return failed.result()
	case failed != nil:
		return g.inspectHold(ctx, c, answer{}, true, failed.message)
	case !a.own(c.Of.Key) || a.payment != nil && a.payment.id != c.Of.TransactionID:
		return g.inspectHold(ctx, c, a, true, a.foreign())
	case a.success() && a.payment != nil && a.fresh():
		if l := a.payment.ended(c.Operation.Kind, c.Money); l.Result == payment.FoundApproved {
			return l.result("")
		}
	}
	r := g.inspectHold(ctx, c, a, false, "Square answered "+a.describe())
	if r.Class.Retryable() {
		r.RetryAfter = a.retryAfter()
	}
	return r
}

// inspectHold returns the result of a capture or a void by the present state of the payment. running means that it may
// still change, because the call may be running. a is the answer that left it open, if there was one, and why describes
// it. Only if Square says both times that it does not have the payment, the operation is rejected.
func (g *Gateway) inspectHold(ctx context.Context, c payment.Charge, a answer, running bool, why string) payment.Result {
	class := payment.ClassUnknownAnswered
	if running {
		class = payment.ClassUnknownUnanswered
	}
	found, failure := g.getAnswer(ctx, c.Of.TransactionID, c.Of.Key)
	switch {
	case failure != "" && !running && a.notFound() && found.payment == nil && found.notFound():
		return payment.Result{Class: payment.ClassRejected, Message: clip(why), Answered: true}
	case failure != "", !found.fresh() && found.payment.status != statusCompleted:
		return payment.Result{Class: class, Message: clip("it is not known whether the hold has ended: " + why)}
	}
	r := found.payment.ended(c.Operation.Kind, c.Money).result(class)
	if r.Class == class {
		r.Message, r.Answered = clip(r.Message+": "+why), !running
	}
	return r
}

// lookUpHold looks a capture or a void up: the state of the payment has the outcome of both.
func (g *Gateway) lookUpHold(ctx context.Context, ref payment.ChargeRef) payment.Lookup {
	ctx, cancel := httpcall.WithTimeout(ctx, g.timeout)
	defer cancel()
	if !usableID(ref.Of.TransactionID) {
		return payment.Lookup{Result: payment.FoundNoAnswer, Message: "the stored id of the payment is not one of Square's"}
	}
	p, why := g.get(ctx, ref.Of.TransactionID, ref.Of.Key)
	if why != "" {
		return payment.Lookup{Result: payment.FoundNoAnswer, Message: clip(why)}
	}
	return payment.Lookup(p.ended(ref.Operation.Kind, ref.Money))
}

// holdEnd is what the state of a payment proves of a capture or a void of it.
type holdEnd payment.Lookup

// ended returns what the state of the payment proves of a capture of an amount, or of a void. COMPLETED, CANCELED and
// FAILED are final ("Take Payments"). A payment is completed once, and names no request that did it: a capture has
// succeeded if its amount was taken of a hold, by any request. A state that rules the operation out is [payment.FoundVoided] with a code.
func (p *squarePayment) ended(kind payment.Kind, m payment.Money) holdEnd {
	h := holdEnd{Message: "Square has the payment with the status " + quote(p.status)}
	captured := p.status == statusCompleted
	released := p.status == statusCanceled || p.status == statusFailed
	switch {
	case kind == payment.KindCapture && captured && p.is(m) && !p.isAutomatic(), kind == payment.KindVoid && released:
		return holdEnd{Result: payment.FoundApproved, TransactionID: p.id}
	case captured:
		h.Result, h.Code = payment.FoundVoided, payment.DeclineSucceeded
		h.Message = fmt.Sprintf("COMPLETED: Square has taken %d %s with the payment", p.charged().Amount, quote(p.charged().Currency))
	case released:
		h.Result, h.Code = payment.FoundVoided, payment.DeclineVoided
		h.Message = p.status + ": the payment holds no money any more"
	case p.status == statusApproved: // the money is held
		h.Result = payment.FoundNothing
	default: // nothing was held, or a state that is newer than this program
		h.Result = payment.FoundNoAnswer
	}
	return h
}

// result returns the result of an attempt whose payment was found so; open is the class if the state decides nothing.
func (h holdEnd) result(open payment.Class) payment.Result {
	switch h.Result {
	case payment.FoundApproved:
		return payment.Result{Class: payment.ClassApproved, TransactionID: h.TransactionID, Answered: true}
	case payment.FoundVoided:
		return payment.Result{Class: payment.ClassDeclined, Code: h.Code, Message: h.Message, Answered: true}
	default:
		return payment.Result{Class: open, Message: h.Message, Answered: true}
	}
}
