package stripefake

// Add adds a PaymentIntent that succeeded, as another program makes one, and returns its id. amount is in
// Stripe's unit of the currency.
func (f *Fake) Add(key, order string, amount int64, currency string) string {
	return f.plant(key, order, amount, currency, statusSucceeded)
}

// AddUnconfirmed adds a PaymentIntent as it is between its creation and its confirmation.
func (f *Fake) AddUnconfirmed(key, order string, amount int64, currency string) string {
	return f.plant(key, order, amount, currency, statusNeedsConfirm)
}

func (f *Fake) plant(key, order string, amount int64, currency, status string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := &intentRecord{
		ID: "pi_" + token(24), Status: status, Amount: amount, Currency: currency, Created: f.options.Clock(),
		Metadata: map[string]string{}, Method: "pm_card_visa",
	}
	i.Secret = i.ID + "_secret_" + token(24)
	if key != "" {
		i.Metadata["paymentd_key"], i.Metadata["paymentd_order_id"] = key, order
	}
	if status == statusSucceeded {
		i.ChargeID, i.Received = "ch_"+token(24), amount
	}
	f.persist(reply{changed: []*intentRecord{i}}, saved{})
	return i.ID
}
