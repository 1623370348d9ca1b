package payment_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

var (
	captureID = payment.OperationID{Kind: payment.KindCapture}
	voidID    = payment.OperationID{Kind: payment.KindVoid}
)

// holdRules are [rules] of a gateway that holds money.
func holdRules() payment.KeyRules {
	r := rules()
	r.Operations = payment.OperationCapture | payment.OperationVoid | payment.OperationRefund
	return r
}

// holdRequest asks to capture an amount, or to void; empty for all.
func holdRequest(t testing.TB, id payment.OperationID, amount string) payment.ClaimRequest {
	a := claimRequest(t, payment.GatewayKey("key-"+string(id.Kind)))
	a.Operation, a.Money, a.Rules = id, payment.Money{}, holdRules()
	if amount != "" {
		a.Money = amountOf(t, amount, "USD")
	}
	return a
}

// heldPayment is an authorized payment of 100.00.
func heldPayment(t testing.TB) payment.Payment {
	p := inState(t, payment.StateAuthorized)
	p.Capture = payment.CaptureManual
	return p
}

// begun returns an operation that was claimed at noon, and its charge.
func begun(t testing.TB, charge payment.Payment, id payment.OperationID, amount string) (op, after payment.Payment) {
	t.Helper()
	d, err := decideOperation(holdRequest(t, id, amount), charge, nil, noon)
	require.NoError(t, err)
	require.Equal(t, payment.VerdictClaimed, d.Verdict)
	require.NoError(t, d.Payment.Validate())
	require.NotNil(t, d.Charge)
	require.NoError(t, d.Charge.Validate())
	return d.Payment, *d.Charge
}

// completed settles an operation, and returns it and its charge.
func completed(
	t testing.TB, op, charge payment.Payment, class payment.Class, state payment.State,
) (after, chargeAfter payment.Payment) {
	t.Helper()
	d, err := apply(payment.Settlement{
		ClaimRef: op.ClaimRef(), End: attemptEnd(resultOf(class)),
		Outcome: payment.Outcome{State: state, TransactionID: "txn-2", DueIn: time.Minute},
	}, op, noon.Add(time.Second))
	require.NoError(t, err)
	d = d.Account(charge, op)
	if d.Charge == nil {
		return d.Payment, charge
	}
	require.NoError(t, d.Charge.Validate())
	return d.Payment, *d.Charge
}

func requireHoldRefused(t testing.TB, err error, words string, state payment.State) {
	t.Helper()
	var refused *payment.OperationRefusedError
	require.ErrorAs(t, err, &refused)
	require.Contains(t, refused.Why, words)
	require.Equal(t, state, refused.State)
}

func TestParseCaptureMode(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]payment.CaptureMode{
		"": payment.CaptureAutomatic, "automatic": payment.CaptureAutomatic, "manual": payment.CaptureManual,
	} {
		got, err := payment.ParseCaptureMode(name)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	require.Equal(t, "automatic", payment.CaptureAutomatic.String())
	require.Equal(t, "manual", payment.CaptureManual.String())
	for _, name := range []string{"Manual", "later", " "} {
		_, err := payment.ParseCaptureMode(name)
		requireFieldError(t, err, "capture", "capture must be automatic or manual")
	}
}

func TestClaim_OtherCapture_IsRefused(t *testing.T) {
	t.Parallel()
	for _, state := range payment.States() {
		p, a := inState(t, state), claimRequest(t, "key-2")
		a.Capture = payment.CaptureManual
		d := decide(a, p, noon.Add(time.Hour))
		require.Equal(t, payment.VerdictMismatch, d.Verdict, state)
		require.Contains(t, d.Event.Detail, "capture manual")
		require.Equal(t, p.State, d.Payment.State)
	}
}

func TestClaim_Hold_NeedsAGatewayThatHolds(t *testing.T) {
	t.Parallel()
	m := amountOf(t, "100.00", "USD")
	_, err := rules().Route(m, "", payment.CaptureManual)
	requireFieldError(t, err, "capture", "capture must be automatic, because no gateway for this payment can hold money")
	route, err := holdRules().Route(m, "", payment.CaptureManual)
	require.NoError(t, err)
	require.Equal(t, []payment.GatewayID{rules().Gateway}, route)
}

func TestCapture_TakesAllOrAPart(t *testing.T) {
	t.Parallel()
	for amount, want := range map[string]int64{"": 10000, "100.00": 10000, "60.00": 6000, "0.01": 1} {
		op, charge := begun(t, heldPayment(t), captureID, amount)
		require.Equal(t, want, op.Money.Minor())
		require.Equal(t, payment.StateAuthorized, charge.State, "nothing was captured yet")
		require.Equal(t, payment.KindCapture, charge.HoldClaimedBy)
		require.Equal(t, 1, charge.Operations)
		_, charge = completed(t, op, charge, payment.ClassApproved, payment.StateSucceeded)
		require.Equal(t, payment.StateSucceeded, charge.State)
		require.Equal(t, want, charge.Captured().Minor())
		require.Equal(t, payment.KindCharge, charge.HoldClaimedBy)
		require.True(t, charge.DueAt.IsZero())
		left, some := charge.Refundable()
		require.True(t, some)
		require.Equal(t, want, left.Minor(), "no more than was captured can be refunded")
		require.EqualValues(t, 10000, charge.Money.Minor(), "a repeat of the payment has the same amount")
	}
}

func TestCapture_WrongAmount_IsRefused(t *testing.T) {
	t.Parallel()
	_, err := decideOperation(holdRequest(t, captureID, "100.01"), heldPayment(t), nil, noon)
	requireHoldRefused(t, err, "at most that", payment.StateAuthorized)
	a := holdRequest(t, captureID, "")
	a.Money = amountOf(t, "10.00", "EUR")
	_, err = decideOperation(a, heldPayment(t), nil, noon)
	requireHoldRefused(t, err, "same currency", payment.StateAuthorized)
}

func TestVoid_EndsTheHold(t *testing.T) {
	t.Parallel()
	op, charge := begun(t, heldPayment(t), voidID, "")
	require.Equal(t, payment.KindVoid, charge.HoldClaimedBy)
	_, charge = completed(t, op, charge, payment.ClassApproved, payment.StateSucceeded)
	require.Equal(t, payment.StateVoided, charge.State)
	require.True(t, charge.DueAt.IsZero())
	_, some := charge.Refundable()
	require.False(t, some)

	d := decide(claimRequestFor(t, charge), charge, noon.Add(time.Hour))
	require.Equal(t, payment.VerdictVoided, d.Verdict, "the order cannot be charged any more")
}

// claimRequestFor is a repeat of the payment's request.
func claimRequestFor(t testing.TB, p payment.Payment) payment.ClaimRequest {
	a := claimRequest(t, "key-9")
	a.Money, a.Capture, a.Rules = p.Money, p.Capture, holdRules()
	return a
}

// A capture and a void exclude each other from their reservation until its key is closed without money having moved.
func TestHold_OneOperationAtATime(t *testing.T) {
	t.Parallel()
	ids := []payment.OperationID{captureID, voidID}
	for i, first := range ids {
		second := ids[1-i]
		op, charge := begun(t, heldPayment(t), first, "")
		refused := func(charge payment.Payment) {
			_, err := decideOperation(holdRequest(t, second, ""), charge, nil, noon)
			requireHoldRefused(t, err, "in progress", payment.StateAuthorized)
		}
		refused(charge)

		unresolved, same := completed(t, op, charge, payment.ClassUnknownUnanswered, payment.StateUnresolved)
		require.Equal(t, charge, same, "an unknown outcome releases nothing")
		refused(same)

		// One lookup that finds nothing releases nothing; the second closes the key.
		look := func(p payment.Payment, now time.Time) payment.Decision {
			r := lookupRecord(holdRules(), p, payment.FoundNothing, at(now))
			r.Operation = p.Operation
			d, err := r.Apply(p, now)
			require.NoError(t, err)
			return d.Account(same, p)
		}
		once := look(unresolved, noon.Add(time.Hour))
		require.Nil(t, once.Charge)
		twice := look(once.Payment, noon.Add(time.Hour+late))
		require.NotNil(t, twice.Charge)
		require.Equal(t, payment.StateAuthorized, twice.Charge.State)
		_, other := begun(t, *twice.Charge, second, "")
		require.Equal(t, second.Kind, other.HoldClaimedBy)
	}
}

func TestHold_RefusedByState(t *testing.T) {
	t.Parallel()
	for _, state := range payment.States() {
		for _, id := range []payment.OperationID{captureID, voidID} {
			if state == payment.StateAuthorized {
				continue
			}
			name := fmt.Sprintf("%s of %s", id, state)
			p := inState(t, state)
			_, err := decideOperation(holdRequest(t, id, ""), p, nil, noon)
			if !state.Final() {
				require.ErrorIs(t, err, payment.ErrChargeOpen, name)
				continue
			}
			requireHoldRefused(t, err, string(state), state)
			p.Doubt = answered
			_, err = decideOperation(holdRequest(t, id, ""), p, nil, noon)
			if state == payment.StateSucceeded && id == voidID {
				requireHoldRefused(t, err, "refund it instead", state)
				continue
			}
			require.ErrorIs(t, err, payment.ErrChargeOpen, name+" in doubt")
		}
	}
}

func TestRefund_OfAHold(t *testing.T) {
	t.Parallel()
	_, err := decideOperation(refundRequest(t, "1.00"), heldPayment(t), nil, noon)
	requireHoldRefused(t, err, "no money was taken", payment.StateAuthorized)
	_, charge := begun(t, heldPayment(t), captureID, "")
	_, err = decideOperation(refundRequest(t, "1.00"), charge, nil, noon)
	require.ErrorIs(t, err, payment.ErrChargeOpen, "while a capture is in flight")
}

// A hold whose outcome is unknown, and of which a part was captured outside the service, has only that part.
func TestLookup_OfAnUnknownHold_HasWhatWasCaptured(t *testing.T) {
	t.Parallel()
	for _, state := range []payment.State{payment.StateUnresolved, payment.StatePending} {
		p, now := inState(t, state), noon.Add(time.Hour)
		p.Capture = payment.CaptureManual
		r := lookupRecord(holdRules(), p, payment.FoundApproved, at(now))
		r.Result.Captured = amountOf(t, "60.00", "USD")
		d, err := r.Apply(p, now)
		require.NoError(t, err)
		require.Equal(t, payment.StateSucceeded, d.Payment.State)
		require.Equal(t, r.Result.Captured, d.Payment.Captured())
	}
}

// A capture or a void that the state of the charge rules out is declined with the code, and gives the hold back.
func TestLookup_OfARuledOutOperation(t *testing.T) {
	t.Parallel()
	for _, id := range []payment.OperationID{captureID, voidID} {
		for _, code := range []string{payment.DeclineNotPermitted, ""} {
			op, charge := begun(t, heldPayment(t), id, "")
			op, charge = completed(t, op, charge, payment.ClassUnknownUnanswered, payment.StateUnresolved)
			require.Equal(t, id.Kind, charge.HoldClaimedBy)
			r := lookupRecord(holdRules(), op, payment.FoundVoided, at(noon.Add(time.Hour)))
			r.Result.Code, r.Result.Message = code, "the payment is COMPLETED"
			d, err := r.Apply(op, noon.Add(time.Hour))
			require.NoError(t, err)
			d = d.Account(charge, op)
			want := payment.StateDeclined
			if code == "" {
				want = payment.StateFailed
			}
			require.Equal(t, want, d.Payment.State)
			require.False(t, d.Payment.Doubt.Any())
			require.Equal(t, payment.KindCharge, d.Charge.HoldClaimedBy)
			if code != "" {
				require.Equal(t, code, d.Payment.Code)
				require.Equal(t, "the payment is COMPLETED", d.Payment.Reason)
			}
		}
	}
}

// What a lookup finds of an authorized payment, by the operation that claims its hold.
func TestLookup_OfAHold(t *testing.T) {
	t.Parallel()
	now := noon.Add(25 * time.Hour)
	for _, claimedBy := range []payment.Kind{payment.KindCharge, payment.KindCapture, payment.KindVoid} {
		for found, ended := range map[payment.LookupResult]payment.State{
			payment.FoundApproved: payment.StateSucceeded, payment.FoundVoided: payment.StateVoided,
			payment.FoundAuthorized: "", payment.FoundNothing: "", payment.FoundDeclined: "", payment.FoundPending: "",
			payment.FoundProcessing: "", payment.FoundNoAnswer: "",
		} {
			name := fmt.Sprintf("%s, claimed by %q", found, claimedBy)
			p := heldPayment(t)
			p.HoldClaimedBy = claimedBy
			p = pickUp(pickUpPolicy(), p, now).Payment
			require.Equal(t, payment.StateAuthorized, p.State, name)
			r := lookupRecord(holdRules(), p, found, at(now))
			r.Result.Captured = amountOf(t, "60.00", "USD")
			d, err := r.Apply(p, now)
			require.NoError(t, err, name)
			got := d.Payment
			require.NoError(t, got.Validate(), name)
			require.Equal(t, "txn-1", got.TransactionID, name)
			if ended == "" || claimedBy != payment.KindCharge {
				require.Equal(t, payment.StateAuthorized, got.State, name)
				require.Nil(t, d.Event, name)
				if found == payment.FoundAuthorized {
					require.Equal(t, now.Add(24*time.Hour), got.DueAt, name)
				} else {
					require.Equal(t, p.DueAt, got.DueAt, "%s: again after the interval", name)
				}
				continue
			}
			require.Equal(t, ended, got.State, name)
			require.Equal(t, payment.EventHoldEnded, d.Event.Kind, name)
			require.Equal(t, p.Fence+1, got.Fence, name)
			if ended == payment.StateSucceeded {
				require.EqualValues(t, 6000, got.Captured().Minor())
			}
		}
	}
}

func TestHold_IsLookedUpWhenItExpires(t *testing.T) {
	t.Parallel()
	for in, want := range map[time.Duration]time.Duration{
		0: 24 * time.Hour, time.Hour: time.Hour, 5 * time.Second: 5 * time.Second, 48 * time.Hour: 24 * time.Hour,
		time.Nanosecond: time.Second, -time.Second: time.Second, -time.Hour: time.Hour, -48 * time.Hour: 24 * time.Hour,
	} {
		p := claimedPayment(t)
		o := payment.Outcome{State: payment.StateAuthorized, TransactionID: "txn-1"}
		if in != 0 {
			o.HoldExpires = noon.Add(in)
		}
		d, err := apply(payment.Settlement{
			ClaimRef: p.ClaimRef(), End: attemptEnd(resultOf(payment.ClassAuthorized)), Outcome: o,
		}, p, noon)
		require.NoError(t, err)
		require.Equal(t, noon.Add(want), d.Payment.DueAt, in)
	}
}

// A capture that comes to light after the hold ended is recorded all the same, because the money is taken.
func TestCapture_SucceedsAfterTheHoldEnded(t *testing.T) {
	t.Parallel()
	op, charge := begun(t, heldPayment(t), captureID, "60.00")
	charge.State, charge.DueAt = payment.StateVoided, time.Time{}
	_, charge = completed(t, op, charge, payment.ClassApproved, payment.StateSucceeded)
	require.Equal(t, payment.StateSucceeded, charge.State)
	require.EqualValues(t, 6000, charge.Captured().Minor())
}

func TestApproval_OfAHold(t *testing.T) {
	t.Parallel()
	for _, state := range payment.States() {
		a := approval("key-1", "txn-1")
		a.Hold, a.HoldExpires = true, noon.Add(time.Hour)
		p := inState(t, state)
		d, err := apply(a, p, noon.Add(10*time.Second))
		require.NoError(t, err)
		if state.Approved() || state == payment.StateVoided {
			require.Equal(t, payment.VerdictReplay, d.Verdict, "%s: it was approved before", state)
			require.Equal(t, state, d.Payment.State)
			continue
		}
		require.Equal(t, payment.VerdictEvidence, d.Verdict, state)
		require.Equal(t, payment.StateAuthorized, d.Payment.State, state)
		require.Equal(t, noon.Add(time.Hour), d.Payment.HoldExpires)
		require.NoError(t, d.Payment.Validate())
		a.TransactionID = "txn-9"
		double, err := apply(a, d.Payment, noon.Add(10*time.Second))
		require.NoError(t, err)
		require.Equal(t, payment.VerdictDouble, double.Verdict, "a second hold")
	}
}

// Evidence of a hold that was captured in part outside the service: only that part can be refunded.
func TestApproval_OfAPartialCapture(t *testing.T) {
	t.Parallel()
	p := inState(t, payment.StateUnresolved)
	r := lookupRecord(holdRules(), p, payment.FoundApproved, at(noon.Add(time.Minute)))
	r.Result.Captured = amountOf(t, "60.00", "USD")
	p.Fence++ // another lookup was begun meanwhile
	d, err := apply(r, p, noon.Add(time.Minute))
	require.NoError(t, err)
	require.Equal(t, payment.StateSucceeded, d.Payment.State)
	require.Equal(t, "60.00 USD", d.Payment.Captured().String())
}

func TestOperation_CannotBeAuthorized(t *testing.T) {
	t.Parallel()
	r := payment.Result{Class: payment.ClassAuthorized, TransactionID: "txn-1", Answered: true}
	require.Equal(t, r, r.For(payment.OperationID{}))
	require.Equal(t, payment.ClassUnknownAnswered, r.For(captureID).Class)
	l := payment.Lookup{Result: payment.FoundAuthorized, TransactionID: "txn-1"}
	require.Equal(t, l, l.For(payment.OperationID{}))
	require.Equal(t, payment.FoundNoAnswer, l.For(captureID).Result)
	op, _ := begun(t, heldPayment(t), captureID, "")
	op.State = payment.StateAuthorized
	require.Error(t, op.Validate())
}

func TestOperations_AreBounded(t *testing.T) {
	t.Parallel()
	charge := chargedPayment(t, 0)
	charge.Operations = payment.MaxOperations
	_, err := decideOperation(refundRequest(t, "1.00"), charge, nil, noon)
	requireHoldRefused(t, err, "1000 operations", "")
	charge.Operations--
	d, err := decideOperation(refundRequest(t, "1.00"), charge, nil, noon)
	require.NoError(t, err)
	require.Equal(t, payment.MaxOperations, d.Charge.Operations)
	again, err := decideOperation(refundRequest(t, "1.00"), *d.Charge, &d.Payment, noon)
	require.NoError(t, err, "a repeat is not another operation")
	require.Equal(t, payment.VerdictBusy, again.Verdict)
}

// The event and the amount of a hold of which a part was captured say how much that is.
func TestChange_OfAPartialCapture_SaysHowMuch(t *testing.T) {
	t.Parallel()
	p := heldPayment(t)
	p.State, p.CapturedMinor, p.DueAt = payment.StateSucceeded, 6000, time.Time{}
	captured, held := p.CapturedHold()
	require.True(t, held)
	require.Equal(t, "60.00", captured.Decimal())
	require.Contains(t, string(payment.Change{Type: p.ChangeType(), Payment: p}.Payload(1)), `"captured":"60.00"`)
	p.Capture = payment.CaptureAutomatic
	require.NotContains(t, string(payment.Change{Type: p.ChangeType(), Payment: p}.Payload(1)), "captured")
}
