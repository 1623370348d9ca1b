package cli

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"paymentd/app"
	"paymentd/app/config"
	"paymentd/core/apikey"
	"paymentd/ports"
)

type listKeysCommand struct {
	databaseFlags
	jsonFlag

	Limit int `default:"1000" help:"How many keys to list at most, the newest first."`
}

// Help describes the exit codes.
func (listKeysCommand) Help() string {
	return "Exit code 0: listed, even if there is none. 1: the database cannot be read. 2: a setting is wrong."
}

// Validate checks the settings. kong calls it.
func (c *listKeysCommand) Validate() error {
	if c.Limit < 1 {
		return config.InvalidFlag("limit", "must be above zero")
	}
	return c.databaseFlags.Validate()
}

func (c *listKeysCommand) Run(ctx context.Context, s stdio) error {
	return c.withPayments(ctx, s, func(r *app.Repository) error {
		list, err := r.Keys().List(ctx, c.Limit)
		if err != nil {
			return err
		}
		if c.JSON {
			return writeJSON(s.stdout, keyListJSON(list))
		}
		w := tabwriter.NewWriter(s.stdout, 0, 0, 2, ' ', 0)
		_, _ = fmt.Fprintln(w, "ID\tNAME\tSCOPES\tCREATED\tLAST USED\tEXPIRES\tREVOKED\tLIMITS")
		for _, key := range list.Keys {
			_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", key.ID, key.Name, key.Scopes, momentBy(key.CreatedAt, key.CreatedBy),
				moment(key.LastUsedAt), moment(key.ExpiresAt), momentBy(key.RevokedAt, key.RevokedBy), dash(key.Limits.String()))
		}
		if err := w.Flush(); err != nil {
			return err
		}
		return printUnreadable(s, list.Unreadable)
	})
}

// moment formats a time that may be zero.
func moment(at time.Time) string {
	if at.IsZero() {
		return "never"
	}
	return at.UTC().Format(time.RFC3339)
}

// momentBy is moment, with the person who did it if the name is stored.
func momentBy(at time.Time, by string) string {
	if by == "" || at.IsZero() {
		return moment(at)
	}
	return moment(at) + " by " + by
}

// keyJSON is a key in JSON.
type keyJSON struct {
	ID            string   `json:"id"`
	Name          string   `json:"name"`
	Scopes        []string `json:"scopes"`
	OrderPrefixes []string `json:"order_prefixes,omitempty"`
	Gateways      []string `json:"gateways,omitempty"`
	CreatedAt     string   `json:"created_at"`
	CreatedBy     string   `json:"created_by,omitempty"`
	LastUsedAt    string   `json:"last_used_at,omitempty"`
	ExpiresAt     string   `json:"expires_at,omitempty"`
	RevokedAt     string   `json:"revoked_at,omitempty"`
	RevokedBy     string   `json:"revoked_by,omitempty"`
	Accepted      bool     `json:"accepted"`
}

func keyOf(key apikey.Key) keyJSON {
	k := keyJSON{
		ID: string(key.ID), Name: string(key.Name), OrderPrefixes: key.Limits.OrderPrefixes, Gateways: key.Limits.Gateways,
		CreatedAt: stamp(key.CreatedAt), CreatedBy: key.CreatedBy, LastUsedAt: stamp(key.LastUsedAt), ExpiresAt: stamp(key.ExpiresAt),
		RevokedAt: stamp(key.RevokedAt), RevokedBy: key.RevokedBy, Accepted: key.Accepted(time.Now()),
	}
	for _, scope := range key.Scopes {
		k.Scopes = append(k.Scopes, string(scope))
	}
	return k
}

func keyListJSON(list ports.KeyList) any {
	keys := []keyJSON{}
	for _, key := range list.Keys {
		keys = append(keys, keyOf(key))
	}
	return struct {
		Keys       []keyJSON `json:"keys"`
		Unreadable []string  `json:"unreadable"`
	}{keys, unreadableJSON(list.Unreadable)}
}
