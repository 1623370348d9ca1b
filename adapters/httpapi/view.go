package httpapi

import (
	"time"

	"paymentd/core/payment"
	"paymentd/ports"
)

// paymentView is a payment as the API shows it. What does not apply is left out.
type paymentView struct {
	OrderID       payment.OrderID `json:"order_id"`
	State         payment.State   `json:"state"`
	Amount        string          `json:"amount"` // with all the currency's decimals
	Currency      string          `json:"currency"`
	TransactionID string          `json:"transaction_id,omitempty"`
	Code          string          `json:"code,omitempty"`
	Reason        string          `json:"reason,omitempty"`
	CreatedAt     string          `json:"created_at"`
	UpdatedAt     string          `json:"updated_at"`
	NextAttemptAt string          `json:"next_attempt_at,omitempty"`
}

// historyView is a payment with all that happened to it.
type historyView struct {
	paymentView

	Attempts []attemptView `json:"attempts"`
	Timeline []moment      `json:"timeline"`
}

// attemptView is one call to the gateway. While it is under way it has neither an end nor
// a class; one whose worker died has a class alone.
type attemptView struct {
	Number     int                `json:"number"`
	StartedAt  string             `json:"started_at"`
	EndedAt    string             `json:"ended_at,omitempty"`
	Class      payment.Class      `json:"class,omitempty"`
	Code       string             `json:"code,omitempty"`
	Message    string             `json:"message,omitempty"`
	GatewayKey payment.GatewayKey `json:"gateway_key"`
	Replica    string             `json:"replica"`
	Fence      int64              `json:"fence"`
}

func viewPayment(p payment.Payment) paymentView {
	return paymentView{
		OrderID: p.OrderID, State: p.State,
		Amount: p.Money.Decimal(), Currency: p.Money.Currency().Code(),
		TransactionID: p.TransactionID, Code: p.Code, Reason: p.Reason,
		CreatedAt: stamp(p.CreatedAt), UpdatedAt: stamp(p.UpdatedAt),
		NextAttemptAt: stamp(nextAttemptAt(p)),
	}
}

// nextAttemptAt is when the gateway will be asked to charge, and zero when nothing is planned.
func nextAttemptAt(p payment.Payment) time.Time {
	switch {
	case p.State == payment.StateScheduled:
		return p.DueAt
	case p.InBackoff(p.SeenAt):
		return p.Attempt.StartedAt
	}
	return time.Time{}
}

func viewHistory(h ports.History) historyView {
	view := historyView{
		paymentView: viewPayment(h.Payment),
		Attempts:    []attemptView{}, // [] in JSON and not null
		Timeline:    timeline(h),
	}
	for _, a := range begun(h) {
		view.Attempts = append(view.Attempts, attemptView{
			Number: a.Number, StartedAt: stamp(a.StartedAt), EndedAt: stamp(a.EndedAt),
			Class: a.Class, Code: a.Code, Message: a.Message,
			GatewayKey: a.GatewayKey, Replica: a.Replica, Fence: a.Fence,
		})
	}
	return view
}

// begun returns the attempts without one that is only planned.
func begun(h ports.History) []payment.Attempt {
	var attempts []payment.Attempt
	for _, a := range h.Attempts {
		if a.Begun(h.Payment.SeenAt) {
			attempts = append(attempts, a)
		}
	}
	return attempts
}

// stamp writes a time as RFC 3339 in UTC with microseconds, and zero as nothing.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000000Z07:00")
}
