package sandbox

import (
	"html/template"
	"net/http"
	"net/url"

	"paymentd/core/payment"
)

// maxFormBytes bounds the form of a page.
const maxFormBytes = 1 << 10

// redirectPath is the page at which a customer decides a charge.
const redirectPath = "/redirect/"

// redirectURL returns the address of the charge's page, at the host that the request was sent to. It is https
// nowhere, because the sandbox serves no TLS.
func redirectURL(r *http.Request, key payment.GatewayKey) string {
	return "http://" + r.Host + redirectPath + url.PathEscape(string(key))
}

var redirectPage = template.Must(template.New("redirect").Parse(`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Sandbox gateway</title>
<h1>Sandbox gateway</h1>
{{with .Charge}}<p>Order <b>{{.OrderID}}</b>: <b>{{.Money}}</b>. No money moves.</p>{{end}}
{{if eq .Status "pending" -}}
<form method="post">
<button name="decision" value="approve">Approve</button>
<button name="decision" value="decline">Decline</button>
</form>
{{- else}}<p>{{.Text}}</p>{{end}}
`))

// redirectTexts are what the page of a charge says, by the charge's status.
var redirectTexts = map[string]string{
	statusSucceeded:  "The charge is approved. You can close this page.",
	statusAuthorized: "The charge is approved. You can close this page.",
	statusDeclined:   "The charge is declined. You can close this page.",
	statusVoided:     "The charge was cancelled. It cannot be approved any more.",
	"":               "No charge waits for a decision here.",
}

// redirect serves the page of a charge that waits for a decision.
func (h handler) redirect(w http.ResponseWriter, r *http.Request) {
	key := payment.GatewayKey(r.PathValue("key"))
	view := struct {
		Charge       *payment.Charge
		Status, Text string
	}{}
	code := http.StatusNotFound
	if c, found := h.gateway.redirected(key); found {
		answer := h.gateway.lookUp(r.Context(), slot{payment.KindCharge, key}, "")
		view.Charge, view.Status, code = &c, answer.state, http.StatusOK
	}
	view.Text = redirectTexts[view.Status]
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; form-action 'self'; frame-ancestors 'none'")
	w.WriteHeader(code)
	_ = redirectPage.Execute(w, view) // an error here is the client's connection
}

// decide takes the customer's decision, and shows the page again.
func (h handler) decide(w http.ResponseWriter, r *http.Request) {
	key := payment.GatewayKey(r.PathValue("key"))
	r.Body = http.MaxBytesReader(w, r.Body, maxFormBytes)
	decision := r.PostFormValue("decision")
	if decision != "approve" && decision != "decline" {
		http.Error(w, "decision must be approve or decline", http.StatusBadRequest)
		return
	}
	if _, found := h.gateway.redirected(key); found {
		h.gateway.Complete(r.Context(), key, decision == "approve")
	}
	http.Redirect(w, r, redirectPath+url.PathEscape(string(key)), http.StatusSeeOther)
}

// redirected returns the charge with this key, if a customer decides it at its page.
func (g *Gateway) redirected(key payment.GatewayKey) (payment.Charge, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	e := g.remembered(slot{payment.KindCharge, key})
	if e == nil || amountOf(e.charge.Money).effect != effectRedirect {
		return payment.Charge{}, false
	}
	return e.charge, true
}
