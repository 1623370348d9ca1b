package stripefake

import (
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// parameters are those of POST /v1/payment_intents that the fake knows. Others are errors, as at Stripe.
var parameters = regexp.MustCompile(`^(amount|currency|confirm|payment_method|return_url|capture_method|description|` +
	`metadata\[[^\[\]]{1,40}\]|automatic_payment_methods\[(enabled|allow_redirects)\]|expand\[\]|off_session)$`)

// In these currencies, the last one or two digits of an amount must be 0 (docs.stripe.com/currencies).
const (
	tenfold     = "bhd jod kwd omr tnd"
	hundredfold = "isk ugx"
)

// create answers POST /v1/payment_intents. Parameters are validated before the execution begins.
func (f *Fake) create(c *call) reply {
	if wrong := validate(c.form); wrong != nil {
		return *wrong
	}
	amount, _ := strconv.ParseInt(c.form["amount"], 10, 64) // validated
	i := &intentRecord{
		ID: "pi_" + token(24), Amount: amount, Currency: c.form["currency"], Created: f.options.Clock(), Status: statusNeedsMethod,
		Manual: c.form["capture_method"] == "manual", ReturnURL: c.form["return_url"], Metadata: metadataOf(c.form),
		Automatic: c.form["automatic_payment_methods[enabled]"] == "true", Method: c.form["payment_method"],
	}
	i.Secret = i.ID + "_secret_" + token(24)
	if i.Method != "" {
		i.Status = statusNeedsConfirm
	}
	redirects := i.Automatic && c.form["automatic_payment_methods[allow_redirects]"] != "never"
	switch {
	case c.form["confirm"] != "true":
		return reply{status: http.StatusOK, body: i.render(c.expands()), changed: []*intentRecord{i}}
	case i.Method == "":
		return invalid("payment_method", "parameter_missing", "You cannot confirm this PaymentIntent because it's missing a payment method.")
	case redirects && i.ReturnURL == "":
		return invalid("return_url", "", "This PaymentIntent is configured to accept payment methods enabled in your Dashboard. Because "+
			"some of these payment methods might redirect your customer off of your page, you must provide a `return_url`.")
	}
	return f.attempt(c, i)
}

// validate returns the answer to a wrong parameter; nil if there is none.
func validate(form map[string]string) *reply {
	wrong := func(param, code, message string) *reply {
		r := invalid(param, code, message)
		return &r
	}
	for name := range form {
		if !parameters.MatchString(name) {
			return wrong(name, "parameter_unknown", "Received unknown parameter: "+name)
		}
	}
	amount, err := strconv.ParseInt(form["amount"], 10, 64)
	currency, method := form["currency"], form["payment_method"]
	_, known := methods[method]
	switch step := stepOf(currency); {
	case err != nil || amount < 1:
		return wrong("amount", "parameter_invalid_integer", "Invalid integer: "+form["amount"])
	case amount > 99999999 && currency != "idr":
		return wrong("amount", "amount_too_large", "Amount must be no more than 99999999.")
	case amount%step != 0:
		return wrong("amount", "parameter_invalid_integer", fmt.Sprintf("Amount must be divisible by %d.", step))
	case len(currency) != 3 || currency != strings.ToLower(currency):
		return wrong("currency", "", "Invalid currency: "+currency+".")
	case method != "" && !known:
		return wrong("payment_method", codeMissing, "No such PaymentMethod: '"+method+"'")
	}
	return nil
}

// stepOf returns what an amount must be a multiple of.
func stepOf(currency string) int64 {
	switch {
	case slices.Contains(strings.Fields(tenfold), currency):
		return 10
	case slices.Contains(strings.Fields(hundredfold), currency):
		return 100
	}
	return 1
}

func metadataOf(form map[string]string) map[string]string {
	meta := map[string]string{}
	for name, value := range form {
		if inner, found := strings.CutPrefix(name, "metadata["); found {
			meta[strings.TrimSuffix(inner, "]")] = value
		}
	}
	return meta
}

// attempt confirms an intent with its payment method.
func (f *Fake) attempt(c *call, i *intentRecord) reply {
	b := methods[i.Method]
	i.LastError, i.ActionURL = nil, ""
	switch {
	case b.action:
		i.Status = statusNeedsAction
		if i.ReturnURL != "" {
			i.ActionURL = c.base + "/fake/authenticate/" + i.ID
		}
	case b.bank:
		i.Status, i.ChargeID = statusProcessing, "py_"+token(24)
		if f.options.ProcessingFor > 0 {
			i.SettleAt = f.options.Clock().Add(f.options.ProcessingFor)
		}
	default:
		i.ChargeID = "ch_" + token(24)
		if e := b.failure(i.ChargeID); e != nil {
			i.decline(e)
			e := *e
			e.PaymentIntent = i.render(false)
			return reply{status: http.StatusPaymentRequired, body: errorEnvelope{e}, changed: []*intentRecord{i}}
		}
		f.approve(i)
	}
	return reply{status: http.StatusOK, body: i.render(c.expands()), changed: []*intentRecord{i}}
}

// expands reports whether the answer has the latest charge in full.
func (c *call) expands() bool { return strings.Contains(c.form["expand[]"], "latest_charge") }

// approve takes the money, or holds it.
func (f *Fake) approve(i *intentRecord) {
	if i.Manual {
		i.Status, i.HeldUntil = statusHeld, f.options.Clock().Add(f.options.HoldFor)
		i.HidesExpiry = f.options.NoExpiry
		return
	}
	i.Status, i.Received = statusSucceeded, i.Amount
}

func (i *intentRecord) decline(e *errorBody) {
	i.Status, i.LastError, i.ChargeError = statusNeedsMethod, e, e
}

// advance settles a bank debit whose time has come, and releases a hold that has expired.
func (f *Fake) advance(i *intentRecord) {
	now := f.options.Clock()
	switch {
	case i.Status == statusProcessing && !i.SettleAt.IsZero() && !now.Before(i.SettleAt):
		f.settle(i)
	case i.Status == statusHeld && !i.HeldUntil.IsZero() && !now.Before(i.HeldUntil):
		i.cancel(i.HeldUntil, "automatic") // docs.stripe.com/api/payment_intents/object, cancellation_reason
	}
}

func (i *intentRecord) cancel(at time.Time, reason string) {
	i.Status, i.Canceled, i.CancelReason = statusCanceled, at, reason
	i.LastError, i.ActionURL = nil, "" // "cleared if the PaymentIntent is later updated for any reason"
}

// settle decides a bank debit as its payment method does.
func (f *Fake) settle(i *intentRecord) {
	if e := methods[i.Method].failure(i.ChargeID); e != nil {
		i.decline(e)
		return
	}
	f.approve(i)
}

// Settle ends the processing of a bank debit, as its payment method decides.
func (f *Fake) Settle(id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if i := f.copyOf(id); i != nil && i.Status == statusProcessing {
		f.settle(i)
		f.persist(reply{changed: []*intentRecord{i}}, saved{})
	}
}

// Authenticate ends the authentication of a customer.
func (f *Fake) Authenticate(id string, succeeds bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := f.copyOf(id)
	if i == nil || i.Status != statusNeedsAction {
		return
	}
	i.ActionURL = ""
	if succeeds {
		i.ChargeID = "ch_" + token(24)
		f.approve(i)
	} else {
		i.Status = statusNeedsMethod
		i.LastError = &errorBody{
			Type: typeInvalid, Code: "payment_intent_authentication_failure",
			Message: "The provided PaymentMethod has failed authentication.",
		}
	}
	f.persist(reply{changed: []*intentRecord{i}}, saved{})
}

// authenticatePage is where next_action.redirect_to_url leads: a customer succeeds or fails, and is sent back.
func (f *Fake) authenticatePage(w http.ResponseWriter, req *http.Request) {
	id := req.PathValue("id")
	f.mu.Lock()
	i := f.copyOf(id)
	f.mu.Unlock()
	if i == nil {
		http.NotFound(w, req)
		return
	}
	outcome := req.URL.Query().Get("outcome")
	if outcome == "" {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = fmt.Fprintf(w, "<!doctype html><title>Authenticate</title><h1>Authenticate a test payment</h1>"+
			"<p><a href=\"?outcome=succeeded\">Complete</a> or <a href=\"?outcome=failed\">fail</a> %s.</p>", html.EscapeString(id))
		return
	}
	f.Authenticate(id, outcome == statusSucceeded)
	u, err := url.Parse(i.ReturnURL)
	if err != nil {
		http.NotFound(w, req)
		return
	}
	query := u.Query()
	query.Set("payment_intent", id)
	query.Set("payment_intent_client_secret", i.Secret)
	query.Set("redirect_status", outcome)
	u.RawQuery = query.Encode()
	w.Header().Set("Location", u.String())
	w.WriteHeader(http.StatusSeeOther)
}

// copyOf returns a copy of an intent, to be changed and persisted; nil if there is none.
func (f *Fake) copyOf(id string) *intentRecord {
	i := f.state.Intents[id]
	if i == nil {
		return nil
	}
	f.advance(i)
	another := *i
	return &another
}

func missing(kind, id string) reply {
	return fail(http.StatusNotFound, errorBody{
		Type: typeInvalid, Code: codeMissing, Param: "intent", Message: "No such " + kind + ": '" + id + "'",
	})
}

// unexpected returns the answer to an operation that the status does not allow. The error has the intent.
func unexpected(i *intentRecord, what string) reply {
	return reply{status: http.StatusBadRequest, body: errorEnvelope{errorBody{
		Type: typeInvalid, Code: codeState, PaymentIntent: i.render(false),
		Message: "You cannot " + what + " this PaymentIntent because it has a status of " + i.Status + ".",
	}}}
}

func (f *Fake) retrieve(c *call) reply {
	i := f.copyOf(c.id)
	if i == nil {
		return missing("payment_intent", c.id)
	}
	return reply{status: http.StatusOK, body: i.render(c.expands())}
}

func (f *Fake) confirm(c *call) reply {
	i := f.copyOf(c.id)
	switch {
	case i == nil:
		return missing("payment_intent", c.id)
	case i.Status != statusNeedsMethod && i.Status != statusNeedsConfirm:
		return unexpected(i, "confirm")
	}
	if method := c.form["payment_method"]; method != "" {
		if _, known := methods[method]; !known {
			return invalid("payment_method", codeMissing, "No such PaymentMethod: '"+method+"'")
		}
		i.Method = method
	}
	if page := c.form["return_url"]; page != "" {
		i.ReturnURL = page
	}
	return f.attempt(c, i)
}

// cancel answers POST …/cancel (docs.stripe.com/api/payment_intents/cancel).
func (f *Fake) cancel(c *call) reply {
	i := f.copyOf(c.id)
	switch {
	case i == nil:
		return missing("payment_intent", c.id)
	case i.Status == statusSucceeded || i.Status == statusCanceled || i.Status == statusProcessing:
		return unexpected(i, "cancel")
	}
	i.cancel(f.options.Clock(), c.form["cancellation_reason"])
	return reply{status: http.StatusOK, body: i.render(false), changed: []*intentRecord{i}}
}

func (f *Fake) account(*call) reply {
	return reply{status: http.StatusOK, body: map[string]any{
		"id": Account, "object": "account", "charges_enabled": true, "country": "US", "default_currency": "usd",
		"details_submitted": true, "payouts_enabled": true, "type": "standard",
	}}
}
