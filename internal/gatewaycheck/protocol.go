package gatewaycheck

import (
	"context"
	"fmt"
	"strings"

	"paymentd/core/payment"
)

// poster sends bodies that may be no charge. The adapter of the gateway protocol implements it.
type poster interface {
	PostBody(ctx context.Context, key payment.GatewayKey, body []byte) payment.Result
}

func protocolChecks() []check {
	return []check{
		{
			name: "the mark on every answer", promise: NeverGuessed, advice: markAdvice, run: checkMarks,
			costs: recentCosts(func(s Subject) cost { return cost{s.Approved, 0, 1} },
				func(s Subject) cost { return cost{more(s.Approved), 0, 1} }),
			proves: "an answer of a proxy cannot be taken for one of the gateway, for any kind of answer",
		},
		{
			name: "requests that are wrong", promise: NeverTwice, run: checkBodies,
			costs: func(s Subject) []cost {
				return []cost{{s.Approved, 0, len(wrongBodies(payment.Charge{Money: s.Approved}))}}
			},
			proves: "a request that is damaged is refused, and not charged as something else",
			advice: "Read a request strictly: one JSON object, amounts as strings above zero, no member twice. Answer all else with 400 and " +
				"the mark.",
		},
	}
}

// checkMarks looks at the kinds of answers that the other checks have seen, for the mark.
func checkMarks(r *run) Finding {
	var unmarked []string
	note := func(name string, marked bool) {
		if !marked {
			unmarked = append(unmarked, name)
		}
	}
	m, wrong := r.recent()
	if wrong != nil {
		return *wrong
	}
	note("an approval again", r.charge(m.charge).Answered)
	other := m.charge
	other.Money = more(other.Money)
	note("a key used for another amount", r.charge(other).Answered)
	note("a lookup of a charge", r.await(m.ref()).Result == payment.FoundApproved)
	note("a lookup of a new key", r.lookUp(refOf(r.order(r.Approved))).Result == payment.FoundNothing)
	kinds := 4
	if p, ok := r.Gateway.(poster); ok {
		ctx, cancel := context.WithTimeout(r.ctx, r.Timeout)
		defer cancel()
		note("a wrong request", p.PostBody(ctx, r.order(r.Approved).Key, []byte("{")).Answered)
		kinds++
	}
	if len(unmarked) > 0 {
		return fail("these answers do not show that they are the gateway's own: " + strings.Join(unmarked, ", "))
	}
	return pass(fmt.Sprintf("%d kinds of answers are the gateway's own", kinds))
}

// wrongBody is a body that is no valid charge.
type wrongBody struct{ name, body string }

// wrongBodies returns bodies that are no valid charge, made of one that is.
func wrongBodies(c payment.Charge) []wrongBody {
	member := func(name, value string) string { return fmt.Sprintf("%q:%s", name, value) }
	order := member("order_id", fmt.Sprintf("%q", c.OrderID))
	amount, currency := member("amount", fmt.Sprintf("%q", c.Money.Decimal())), member("currency", fmt.Sprintf("%q", c.Money.Currency()))
	object := func(members ...string) string { return "{" + strings.Join(members, ",") + "}" }
	whole := object(order, amount, currency)
	return []wrongBody{
		{"nothing", ""},
		{"half of an object", whole[:len(whole)/2]},
		{"an array", "[" + whole + "]"},
		{"null", "null"},
		{"no order", object(amount, currency)},
		{"no amount", object(order, currency)},
		{"an amount of zero", object(order, member("amount", `"0.00"`), currency)},
		{"a negative amount", object(order, member("amount", `"-`+c.Money.Decimal()+`"`), currency)},
		{"an amount that is no number", object(order, member("amount", `"1e2"`), currency)},
		{"a currency that does not exist", object(order, amount, member("currency", `"ZZZ"`))},
	}
}

// checkBodies sends wrong requests, each with a key of its own.
func checkBodies(r *run) Finding {
	p, ok := r.Gateway.(poster)
	if !ok {
		return skip("the adapter sends no requests but right ones", "")
	}
	all := 0
	for _, wrong := range wrongBodies(r.order(r.Approved)) {
		all++
		key := r.order(r.Approved).Key
		ctx, cancel := context.WithTimeout(r.ctx, r.Timeout)
		result := p.PostBody(ctx, key, []byte(wrong.body))
		cancel()
		l := r.lookUp(payment.ChargeRef{Key: key})
		switch {
		case result.Class == payment.ClassApproved || l.Result == payment.FoundApproved:
			return fail("a body with " + wrong.name + " was charged")
		case result.Class != payment.ClassRejected && result.Class != payment.ClassNotCharged && result.Class != payment.ClassDeclined:
			return fail("a body with " + wrong.name + " was " + describe(result))
		}
	}
	return pass(fmt.Sprintf("%d bodies that are no charge were refused, and charged nothing", all))
}
