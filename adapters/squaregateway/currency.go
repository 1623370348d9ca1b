package squaregateway

import (
	"fmt"

	"paymentd/core/payment"
)

// decimals has the currencies in which Square processes payments, with the digits after the decimal
// point of the amounts that its API takes: whole numbers of the currency's smallest unit. Source: the
// table of currencies and base units of "Working with Monetary Amounts", and the countries of
// "International Development", in Square's documentation. A location takes one of them only.
var decimals = map[string]int{"AUD": 2, "CAD": 2, "EUR": 2, "GBP": 2, "JPY": 0, "USD": 2}

// money is Square's Money object.
type money struct {
	Amount   int64  `json:"amount"` // in the currency's smallest unit
	Currency string `json:"currency"`
}

// readMoney reads a Money object; zero if there is none.
func readMoney(o object) money {
	amount, _ := o.integer("amount")
	return money{Amount: amount, Currency: o.text("currency")}
}

// moneyOf returns the amount as Square takes it.
func moneyOf(m payment.Money) (money, error) {
	code := m.Currency().Code()
	digits, known := decimals[code]
	if !known {
		return money{}, fmt.Errorf("payments in %s are not taken by Square, which takes AUD, CAD, EUR, GBP, JPY or USD, by the location's country", code)
	}
	if digits != m.Currency().Decimals() {
		return money{}, fmt.Errorf("amounts in %s have %d decimals here and %d at Square", code, m.Currency().Decimals(), digits)
	}
	return money{Amount: m.Minor(), Currency: code}, nil
}
