package gatewaycheck

import (
	"paymentd/core/payment"
)

const amountAdvice = "Read the amount as a decimal number of units, with as many decimals as ISO 4217 gives the currency: 100 JPY are " +
	"\"100\", and 1 KWD is \"1.000\"."

func amountChecks() []check {
	amount := func(name string, of func(Subject) payment.Money) check {
		return check{
			name: name, promise: NeverSilent, advice: amountAdvice,
			costs:  func(s Subject) []cost { return []cost{{of(s), 1, 1}} },
			proves: "an amount of such a currency is accepted; the list of charges shows whether it is the right one",
			run:    func(r *run) Finding { return r.checkAmount(of(r.Subject)) },
		}
	}
	return []check{
		amount("an amount without decimals", func(s Subject) payment.Money { return s.Whole }),
		amount("an amount with three decimals", func(s Subject) payment.Money { return s.Thousandths }),
		{
			name: "an amount with two decimals", promise: NeverSilent, advice: amountAdvice, costs: costs(0, 0),
			proves: "an amount of such a currency is accepted; the list of charges shows whether it is the right one",
			run: func(r *run) Finding {
				if r.Approved.Currency().Decimals() != 2 {
					return skip(r.Approved.Currency().Code()+" has no two decimals", "Name another one with --currency.")
				}
				return pass(r.first.charge.Money.String() + " was approved as " + r.first.transactionID)
			},
		},
	}
}

// checkAmount charges an amount in a currency that the gateway may not have.
func (r *run) checkAmount(m payment.Money) Finding {
	if m.IsZero() {
		return skip("left out", "")
	}
	c := r.order(m)
	sent := r.charge(c)
	switch sent.Class {
	case payment.ClassApproved:
		r.record(c, sent.TransactionID, r.began)
		return pass(m.String() + " was approved as " + sent.TransactionID)
	case payment.ClassDeclined, payment.ClassRejected:
		return skip(m.String()+" was "+describe(sent), "Nothing, unless the gateway is to take "+m.Currency().Code()+".")
	default:
		return fail(m.String() + " was " + describe(sent))
	}
}
