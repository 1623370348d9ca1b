package cli

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"

	"paymentd/app"
	"paymentd/app/config"
	"paymentd/core/admin"
	"paymentd/ports"
)

type historyCommand struct {
	databaseFlags
	jsonFlag

	Of    string `arg:"" optional:"" name:"id" help:"Id of an API key or an endpoint. All, by default."`
	Limit int    `default:"100" help:"How many acts to list at most."`
}

// maxActs bounds a list of acts.
const maxActs = 10_000

// Help describes the exit codes.
func (historyCommand) Help() string {
	return "It lists who created, rotated and revoked which API key, who created and changed which webhook endpoint, and who had events " +
		"delivered again: by command or in the console, newest first. `paymentd show` has the history of a payment.\n\n" +
		"Exit code 0: listed, even if there is none. 1: the database cannot be read. 2: the command line or a setting is wrong."
}

// Validate checks the settings. kong calls it.
func (c *historyCommand) Validate() error {
	if c.Limit < 1 || c.Limit > maxActs {
		return config.InvalidFlag("limit", "must be 1 to %d", maxActs)
	}
	return c.databaseFlags.Validate()
}

func (c *historyCommand) Run(ctx context.Context, s stdio) error {
	return c.withPayments(ctx, s, func(r *app.Repository) error {
		acts, err := r.AdminHistory().List(ctx, ports.AdminQuery{Subject: c.Of, Limit: c.Limit})
		if err != nil {
			return err
		}
		if c.JSON {
			return writeJSON(s.stdout, historyJSON(acts))
		}
		w := tabwriter.NewWriter(s.stdout, 0, 0, 2, ' ', 0)
		_, _ = fmt.Fprintln(w, "WHEN\tWHO\tWHAT\tOF\tCHANGE")
		for _, a := range acts {
			_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", moment(a.At), a.By, strings.ReplaceAll(string(a.Kind), "_", " "), a.Subject, changeText(a))
		}
		return w.Flush()
	})
}

// changeText describes what an act has changed.
func changeText(a admin.Act) string {
	var parts []string
	for _, d := range a.Differences() {
		switch {
		case d.Before == "":
			parts = append(parts, d.Name+": "+d.After)
		case d.After == "":
			parts = append(parts, d.Name+": was "+d.Before)
		default:
			parts = append(parts, d.Name+": "+d.Before+" -> "+d.After)
		}
	}
	return strings.Join(parts, "; ")
}

// actJSON is an act in JSON.
type actJSON struct {
	ID      string       `json:"id"`
	At      string       `json:"at"`
	By      string       `json:"by"`
	Kind    admin.Kind   `json:"kind"`
	Subject string       `json:"subject"`
	Before  admin.Fields `json:"before"`
	After   admin.Fields `json:"after"`
}

func historyJSON(acts []admin.Act) any {
	all := []actJSON{}
	for _, a := range acts {
		all = append(all, actJSON{a.ID, stamp(a.At), a.By, a.Kind, a.Subject, a.Before, a.After})
	}
	return struct {
		Acts []actJSON `json:"acts"`
	}{all}
}
