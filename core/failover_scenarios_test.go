package core_test

import (
	"time"

	"paymentd/adapters/fake"
	"paymentd/core/payment"
)

// failoverScenarios have two gateways. A fault at the first gateway leaves a doubt there, so that the payment
// stays: it may then end as failed at the first gateway instead of at the second.
var failoverScenarios = []scenario{
	{
		name: "first refuses, second charges", then: fake.Refuse(),
		second: &script{then: fake.Approve()}, ends: "second", final: succeededOrFailed,
	},
	{
		name: "first did not charge, second charges", then: fake.NotChargedAnswer(),
		second: &script{then: fake.Approve()}, ends: "second", final: succeededOrFailed,
	},
	{
		name: "second charges, answer lost", then: fake.Refuse(),
		second: &script{first: steps(1, fake.LoseAnswer()), then: fake.Approve()}, ends: "second", final: succeededOrFailed,
	},
	{
		name: "second charges, all answers lost", then: fake.NotChargedAnswer(),
		second: &script{first: steps(1, fake.LoseAnswer()), then: fake.Timeout()}, ends: "second", final: succeededOrFailed,
	},
	{
		name: "second charges late", then: fake.Refuse(),
		second: &script{first: append(steps(3, fake.Timeout()), fake.ChargeLate(4*time.Second)), then: fake.Timeout()},
		ends:   "second", final: succeededOrFailed,
	},
	{
		name: "second is pending, then approves", then: fake.Refuse(), second: &script{then: fake.Pending()},
		ends: "second", final: succeededOrFailed, decides: new(fake.Approve()),
	},
	{
		name: "second is pending, then declines", then: fake.NotChargedAnswer(), second: &script{then: fake.Pending()},
		ends: "second", final: declinedOrFailed, decides: new(fake.Decline("card_declined")),
	},
	{
		name: "second is pending, customer does not act", then: fake.Refuse(),
		second: &script{then: fake.Redirect(redirectURL)}, ends: "second", final: declinedOrFailed,
	},
	{
		name: "second declines", then: fake.Refuse(),
		second: &script{then: fake.Decline("card_declined")}, ends: "second", final: declinedOrFailed,
	},
	{
		name: "both refuse", then: fake.Refuse(), second: &script{then: fake.Refuse()},
		ends: "second", final: oneOf(payment.StateFailed),
	},
	{
		name: "first charges, answer lost, then refuses", script: steps(1, fake.LoseAnswer()), then: fake.Refuse(),
		second: &script{then: fake.Approve()}, ends: "first", final: succeededOrFailed,
	},
	{
		name: "first charges late, then refuses", script: steps(1, fake.ChargeLate(4*time.Second)), then: fake.Refuse(),
		second: &script{then: fake.Approve()}, ends: "first", final: succeededOrFailed,
	},
	{
		name: "first is pending, second would charge", then: fake.Pending(), second: &script{then: fake.Approve()},
		ends: "first", final: oneOf(payment.StateSucceeded), decides: new(fake.Approve()),
	},
}

var (
	succeededOrFailed = oneOf(payment.StateSucceeded, payment.StateFailed)
	declinedOrFailed  = oneOf(payment.StateDeclined, payment.StateFailed)
)
