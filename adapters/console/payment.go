package console

import (
	"errors"
	"net/http"
	"slices"
	"time"

	"paymentd/core"
	"paymentd/core/payment"
	"paymentd/ports"
)

// paymentView is the page of one payment.
type paymentView struct {
	Payment     payment.Payment
	Explanation []answer
	KeyAge      time.Duration
	KeyLifetime time.Duration
	NeedsPerson bool
	Waterfall   waterfall
	Keys        []keyView
	Operations  []operationView
	Acts        []offer
	Left        string // what can be refunded
	Done        string // the act that was just done
	Book        *book
}

// answer is what is to be said about one topic.
type answer struct {
	Title   string
	Reasons []payment.Reason
}

// operationView is a refund or another operation of the payment.
type operationView struct {
	Ref     string
	Payment payment.Payment
	Answers []answer
	Keys    []keyView
	Acts    []offer
}

// keyView is a gateway key of the payment.
type keyView struct {
	Ref     string // of the operation
	Key     payment.GatewayKey
	Gateway payment.GatewayID
	Sent    time.Time
	Current bool
	Closed  payment.Closure
}

// offer is an act that is possible now.
type offer struct{ Name, Button string }

// book is what the gateway says about a key.
type book struct {
	Key     payment.GatewayKey
	Ours    payment.Payment
	Theirs  payment.Lookup
	At      time.Time
	Meaning string
}

// topics are the headings of an explanation.
var topics = []struct {
	topic payment.Topic
	title string
}{
	{payment.TopicWhy, "In short"},
	{payment.TopicKey, "The key"},
	{payment.TopicProven, "What is proven"},
	{payment.TopicDoubt, "What is in doubt"},
	{payment.TopicNext, "What decides next"},
}

func answersOf(e payment.Explanation) (all []answer) {
	for _, t := range topics {
		reasons := e.Of(t.topic)
		if len(reasons) == 0 {
			reasons = []payment.Reason{{Text: "Nothing."}}
		}
		all = append(all, answer{Title: t.title, Reasons: reasons})
	}
	return all
}

// showPayment serves one payment.
func (c *Console) showPayment(v *visit) error {
	h, err := c.history(v)
	if err != nil {
		return err
	}
	return c.renderPayment(v, h, nil)
}

func (c *Console) history(v *visit) (ports.History, error) {
	id, err := orderOf(v)
	if err != nil {
		return ports.History{}, err
	}
	return c.service.History(v.Request().Context(), id)
}

func (c *Console) renderPayment(v *visit, h ports.History, b *book) error {
	e := c.service.Explain(h)
	view := paymentView{
		Payment: h.Payment, Explanation: answersOf(e), KeyAge: e.KeyAge, KeyLifetime: e.KeyLifetime, NeedsPerson: e.NeedsPerson,
		Waterfall: waterfallOf(h, h.Payment.SeenAt), Keys: keysOf(h), Acts: offers(h), Book: b,
	}
	if left, some := h.Payment.Refundable(); some {
		view.Left = left.String()
	}
	if a, err := actNamed(v.done()); err == nil {
		view.Done = a.Title
	}
	for _, o := range h.Operations {
		view.Operations = append(view.Operations, operationView{
			Ref: formatRef(o.Payment.Ref()), Payment: o.Payment, Answers: answersOf(c.service.Explain(o)), Keys: keysOf(o), Acts: offers(o),
		})
	}
	return c.render(v, http.StatusOK, "payment", "Payment "+string(h.Payment.OrderID), "payments", view)
}

// keysOf returns the keys of an operation, the current one first.
func keysOf(h ports.History) []keyView {
	p := h.Payment
	current := keyView{Ref: formatRef(p.Ref()), Key: p.GatewayKey, Gateway: p.Gateway, Sent: p.KeySent.DB, Current: true}
	all := []keyView{current}
	for _, k := range h.Keys {
		if k.Key == p.GatewayKey {
			all[0].Closed = k.Closed
			continue
		}
		all = append(all, keyView{Ref: current.Ref, Key: k.Key, Gateway: k.Gateway, Sent: k.Sent.DB, Closed: k.Closed})
	}
	return all
}

// offers returns the acts that are possible with a payment or other operation as it is now.
func offers(h ports.History) (all []offer) {
	p := h.Payment
	_, refundable := p.Refundable()
	charge, held := p.Operation.IsCharge(), p.State == payment.StateAuthorized && p.HoldClaimedBy == payment.KindCharge
	open := p.State == payment.StatePending || p.State == payment.StateUnresolved || p.State == payment.StateFailed && p.Doubt.Any()
	possible := map[string]bool{
		"lookup":  open || p.State == payment.StateAuthorized,
		"retry":   p.State == payment.StateScheduled || p.State == payment.StateUnresolved,
		"resolve": open,
		"capture": held,
		"void":    held || charge && p.State == payment.StatePending, // which cancels it
		"refund":  charge && refundable,
	}
	for _, a := range acts {
		if possible[a.Name] {
			all = append(all, offer{Name: a.Name, Button: a.Title})
		}
	}
	return all
}

// meanings say what an answer to a lookup means.
var meanings = map[payment.LookupResult]string{
	payment.FoundApproved:   "The gateway has moved the money.",
	payment.FoundAuthorized: "The gateway holds the money.",
	payment.FoundDeclined:   "The gateway has declined.",
	payment.FoundProcessing: "An attempt is running at the gateway.",
	payment.FoundPending:    "The gateway has not decided yet.",
	payment.FoundVoided:     "The gateway has cancelled or voided it.",
	payment.FoundReturned:   "The refunded money came back.",
	payment.FoundNothing:    "The gateway has nothing under this key.",
	payment.FoundNoAnswer:   "The gateway gave no answer that counts.",
}

// askGateway serves one payment with what the gateway says about one of its keys. It stores nothing.
func (c *Console) askGateway(v *visit) error {
	h, err := c.history(v)
	if err != nil {
		return err
	}
	ref, err := parseRef(v.FormValue("ref"))
	if err != nil {
		return err
	}
	of := h
	if !ref.Operation.IsCharge() {
		i := slices.IndexFunc(h.Operations, func(o ports.History) bool { return o.Payment.Ref() == ref })
		if i < 0 {
			return ports.ErrNotFound
		}
		of = h.Operations[i]
	}
	key := payment.GatewayKey(v.FormValue("key"))
	said, err := c.service.Ask(v.Request().Context(), of, key)
	if errors.Is(err, core.ErrUnknownKey) {
		return problem(http.StatusNotFound, "the payment has no such gateway key")
	}
	if err != nil {
		return err
	}
	return c.renderPayment(v, h, &book{Key: key, Ours: of.Payment, Theirs: said, At: time.Now(), Meaning: meanings[said.Result]})
}
