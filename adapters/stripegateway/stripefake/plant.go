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

// AddRefund adds a refund that succeeded, with a gateway key, also if less is left of the PaymentIntent, and returns its
// id.
func (f *Fake) AddRefund(intent, key string, amount int64) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := f.copyOf(intent)
	i.Refunded += amount
	r := &refundRecord{
		ID: "re_" + token(24), Intent: i.ID, Charge: i.ChargeID, Amount: amount, Currency: i.Currency,
		Metadata: map[string]string{"paymentd_key": key}, Status: statusSucceeded, Created: f.options.Clock(),
	}
	f.persist(reply{changed: []*intentRecord{i}, refunded: r}, saved{})
	return r.ID
}

// Capture captures an amount of a PaymentIntent that holds money, as a person at the dashboard does: without metadata.
// It reports whether there is one.
func (f *Fake) Capture(id string, amount int64) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := f.copyOf(id)
	if i == nil || i.Status != statusHeld {
		return false
	}
	i.Status, i.Received = statusSucceeded, amount
	f.persist(reply{changed: []*intentRecord{i}}, saved{})
	return true
}

// Void cancels a PaymentIntent, as a person at the dashboard does. It reports whether there is one that can be cancelled.
func (f *Fake) Void(id string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := f.copyOf(id)
	if i == nil || i.Status == statusSucceeded || i.Status == statusCanceled {
		return false
	}
	i.cancel(f.options.Clock(), "requested_by_customer")
	f.persist(reply{changed: []*intentRecord{i}}, saved{})
	return true
}

// Expire releases a PaymentIntent that holds money, as Stripe does when the hold expires.
func (f *Fake) Expire(id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if i := f.copyOf(id); i != nil && i.Status == statusHeld {
		i.cancel(f.options.Clock(), "automatic")
		f.persist(reply{changed: []*intentRecord{i}}, saved{})
	}
}

// Captures returns how often money was taken with the gateway key of a capture in the metadata "paymentd_capture_key".
func (f *Fake) Captures(key string) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, i := range f.state.Intents {
		if i.Metadata["paymentd_capture_key"] == key && i.Status == statusSucceeded {
			n++
		}
	}
	return n
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
