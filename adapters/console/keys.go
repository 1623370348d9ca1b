package console

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"paymentd/core/apikey"
	"paymentd/ports"
)

// maxKeys is how many keys the page lists.
const maxKeys = 500

// keysView is the page of the API keys.
type keysView struct {
	Keys       []apikey.Key
	Unreadable int
	Scopes     []scopeChoice
	Form       keyForm // of a key that was not created
	Problem    string
	// New is the key that was just created, and Secret what its owner needs. It is shown once.
	New    *apikey.Key
	Secret string
	// Replaced is the key whose successor New is; nil if it has none.
	Replaced *apikey.Key
}

// keyForm is what a form about a key has.
type keyForm struct{ Name, Expires, Prefixes, Gateways string }

// scopeChoice is a scope that a new key can have.
type scopeChoice struct {
	Scope   apikey.Scope
	Meaning string
	Chosen  bool
}

func scopeChoices(chosen []string) (all []scopeChoice) {
	all = []scopeChoice{
		{Scope: apikey.ScopeRead, Meaning: "list and read payments and metrics, and read this console"},
		{Scope: apikey.ScopePay, Meaning: "charge orders, and read single payments"},
		{Scope: apikey.ScopeCapture, Meaning: "capture and void payments, and read single payments"},
		{Scope: apikey.ScopeRefund, Meaning: "refund payments, and read single payments"},
		{Scope: apikey.ScopeAdmin, Meaning: "everything, acts in this console included"},
	}
	for i := range all {
		for _, name := range chosen {
			all[i].Chosen = all[i].Chosen || string(all[i].Scope) == name
		}
	}
	return all
}

func (c *Console) showKeys(v *visit) error {
	return c.renderKeys(v, http.StatusOK, keysView{Scopes: scopeChoices([]string{string(apikey.ScopeRead)})})
}

func (c *Console) renderKeys(v *visit, status int, view keysView) error {
	list, err := c.options.APIKeys.List(v.Request().Context(), maxKeys)
	if err != nil {
		return err
	}
	view.Keys, view.Unreadable = list.Keys, len(list.Unreadable)
	return c.render(v, status, "keys", "API keys", "keys", view)
}

// lines returns the lines of a field that are not empty.
func lines(text string) (all []string) {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			all = append(all, line)
		}
	}
	return all
}

// maxExpiry bounds an expiry, so that every database can store it.
const maxExpiry = 100 * 365 * 24 * time.Hour

// parseExpiry parses a time of a form; zero for never. The error is a sentence.
func parseExpiry(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	at, err := parseDay(text)
	if err != nil || !at.After(now) || at.After(now.Add(maxExpiry)) {
		return time.Time{}, errors.New("The expiry must be a time in the future, such as 2027-01-31T08:00, within 100 years.") //nolint:staticcheck,revive // for a page
	}
	return at, nil
}

// newKey returns the key that a form describes. The error is a sentence for the page.
func newKey(f keyForm, scopes []string, now time.Time) (apikey.Key, apikey.Secret, error) {
	name, err := apikey.ParseName(f.Name)
	if err != nil {
		return apikey.Key{}, apikey.Secret{}, fmt.Errorf("The name %w.", err) //nolint:staticcheck,revive // for a page
	}
	parsed, err := apikey.ParseScopes(strings.Join(scopes, ","))
	if err != nil {
		return apikey.Key{}, apikey.Secret{}, errors.New("Choose at least one scope.") //nolint:staticcheck,revive // for a page
	}
	key, secret := apikey.New(name, parsed)
	if key.ExpiresAt, err = parseExpiry(f.Expires, now); err != nil {
		return key, secret, err
	}
	if key.Limits.OrderPrefixes, err = apikey.ParseOrderPrefixes(lines(f.Prefixes)); err != nil {
		return key, secret, fmt.Errorf("A beginning of orders %w.", err) //nolint:staticcheck,revive // for a page
	}
	if key.Limits.Gateways, err = apikey.ParseGateways(lines(f.Gateways)); err != nil {
		return key, secret, fmt.Errorf("A gateway %w.", err) //nolint:staticcheck,revive // for a page
	}
	return key, secret, nil
}

// createKey creates a key and shows its secret, which only this response has.
func (c *Console) createKey(v *visit) error {
	form := v.Request().PostForm
	view := keysView{Scopes: scopeChoices(form["scope"]), Form: keyForm{
		Name: strings.TrimSpace(form.Get("name")), Expires: form.Get("expires"), Prefixes: form.Get("prefixes"), Gateways: form.Get("gateways"),
	}}
	refuse := func(text string) error {
		view.Problem = text
		return c.renderKeys(v, http.StatusUnprocessableEntity, view)
	}
	key, secret, err := newKey(view.Form, form["scope"], v.now)
	if err != nil {
		return refuse(err.Error())
	}
	key.CreatedBy = v.session.by()
	switch err := c.options.APIKeys.Create(v.Request().Context(), key); {
	case errors.Is(err, ports.ErrKeyNameTaken):
		return refuse("An active key has this name. Rotate or revoke that one, or choose another name.")
	case errors.Is(err, ports.ErrTooManyKeys):
		return refuse("There are too many active keys. Revoke some that are unused.")
	case err != nil:
		return err
	}
	c.log.InfoContext(v.Request().Context(), "an API key was created in the console", "by", v.session.by(), "created_key_id", key.ID,
		"created_key", key.Name, "scopes", key.Scopes.String())
	return c.renderKeys(v, http.StatusOK, keysView{New: &key, Secret: secret.Reveal(), Scopes: scopeChoices(nil)})
}

// findKey returns the key that a request names.
func (c *Console) findKey(v *visit) (apikey.Key, error) {
	list, err := c.options.APIKeys.List(v.Request().Context(), maxKeys)
	if err != nil {
		return apikey.Key{}, err
	}
	for _, key := range list.Keys {
		if string(key.ID) == v.FormValue("id") {
			return key, nil
		}
	}
	return apikey.Key{}, problem(http.StatusNotFound, "there is no such API key")
}

// rotateView is the page that asks before a key is rotated.
type rotateView struct {
	apikey.Key

	Expires string
	Problem string
}

// confirmRotate asks before a key is rotated.
func (c *Console) confirmRotate(v *visit) error {
	key, err := c.findKey(v)
	if err != nil {
		return err
	}
	return c.render(v, http.StatusOK, "rotate", "Rotate the key "+string(key.Name)+"?", "keys", rotateView{Key: key})
}

// rotateKey creates the successor of a key and shows its secret, which only this response has.
func (c *Console) rotateKey(v *visit) error {
	key, err := c.findKey(v)
	if err != nil {
		return err
	}
	refuse := func(text string) error {
		return c.render(v, http.StatusUnprocessableEntity, "rotate", "Rotate the key "+string(key.Name)+"?", "keys",
			rotateView{Key: key, Expires: v.FormValue("expires"), Problem: text})
	}
	overlap, err := time.ParseDuration(v.FormValue("overlap"))
	if err != nil || overlap < 0 || overlap > apikey.MaxOverlap {
		return refuse("Choose for how long the old key stays valid.")
	}
	next, secret := apikey.New("", nil)
	next.CreatedBy = v.session.by()
	if next.ExpiresAt, err = parseExpiry(v.FormValue("expires"), v.now); err != nil {
		return refuse(err.Error())
	}
	before, after, err := c.options.APIKeys.Rotate(v.Request().Context(), string(key.ID), next, overlap)
	switch {
	case errors.Is(err, apikey.ErrExpiryNeeded):
		return refuse("The key expires, and its successor would not. Say when that one expires.")
	case errors.Is(err, apikey.ErrSuperseded), errors.Is(err, ports.ErrKeyRevoked):
		return refuse("The key was rotated or revoked already. Go back and choose the one that has the name now.")
	case errors.Is(err, ports.ErrTooManyKeys):
		return refuse("There are too many active keys. Revoke some that are unused.")
	case err != nil:
		return err
	}
	c.log.InfoContext(v.Request().Context(), "an API key was rotated in the console", "by", v.session.by(), "rotated_key_id", before.ID,
		"created_key_id", after.ID, "created_key", after.Name)
	return c.renderKeys(v, http.StatusOK, keysView{New: &after, Replaced: &before, Secret: secret.Reveal(), Scopes: scopeChoices(nil)})
}

// confirmRevoke asks before a key is revoked.
func (c *Console) confirmRevoke(v *visit) error {
	key, err := c.findKey(v)
	if err != nil {
		return err
	}
	return c.render(v, http.StatusOK, "revoke", "Revoke the key "+string(key.Name)+"?", "keys", key)
}

func (c *Console) revokeKey(v *visit) error {
	key, err := c.options.APIKeys.Revoke(v.Request().Context(), v.FormValue("id"), v.session.by())
	switch {
	case errors.Is(err, ports.ErrNoSuchKey):
		return problem(http.StatusNotFound, "there is no such API key")
	case err != nil && !errors.Is(err, ports.ErrKeyRevoked):
		return err
	}
	c.log.InfoContext(v.Request().Context(), "an API key was revoked in the console", "by", v.session.by(), "revoked_key_id", key.ID, "revoked_key", key.Name)
	return v.Redirect(http.StatusSeeOther, Root+"/keys")
}
