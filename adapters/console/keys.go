package console

import (
	"errors"
	"net/http"
	"strings"

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
	Name       string // of a key that was not created
	Problem    string
	// New is the key that was just created, and Secret what its owner needs. It is shown once.
	New    *apikey.Key
	Secret string
}

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

// createKey creates a key and shows its secret, which only this response has.
func (c *Console) createKey(v *visit) error {
	form := v.Request().PostForm
	view := keysView{Name: strings.TrimSpace(form.Get("name")), Scopes: scopeChoices(form["scope"])}
	refuse := func(text string) error {
		view.Problem = text
		return c.renderKeys(v, http.StatusUnprocessableEntity, view)
	}
	name, err := apikey.ParseName(view.Name)
	if err != nil {
		return refuse("The name " + err.Error() + ".")
	}
	scopes, err := apikey.ParseScopes(strings.Join(form["scope"], ","))
	if err != nil {
		return refuse("Choose at least one scope.")
	}
	key, secret := apikey.New(name, scopes)
	key.CreatedBy = v.session.by()
	switch err := c.options.APIKeys.Create(v.Request().Context(), key); {
	case errors.Is(err, ports.ErrKeyNameTaken):
		return refuse("An active key has this name. Revoke that one first, or choose another name.")
	case errors.Is(err, ports.ErrTooManyKeys):
		return refuse("There are too many active keys. Revoke some that are unused.")
	case err != nil:
		return err
	}
	c.log.InfoContext(v.Request().Context(), "an API key was created in the console", "by", v.session.by(), "created_key_id", key.ID,
		"created_key", key.Name, "scopes", key.Scopes.String())
	return c.renderKeys(v, http.StatusOK, keysView{New: &key, Secret: secret.Reveal(), Scopes: scopeChoices(nil)})
}

// confirmRevoke asks before a key is revoked.
func (c *Console) confirmRevoke(v *visit) error {
	list, err := c.options.APIKeys.List(v.Request().Context(), maxKeys)
	if err != nil {
		return err
	}
	for _, key := range list.Keys {
		if string(key.ID) == v.QueryParam("id") {
			return c.render(v, http.StatusOK, "revoke", "Revoke the key "+string(key.Name), "keys", key)
		}
	}
	return problem(http.StatusNotFound, "there is no such API key")
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
