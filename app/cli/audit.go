package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"paymentd/app"
	"paymentd/app/config"
	"paymentd/app/gateways"
	"paymentd/core/audit"
)

type auditCommand struct {
	From             string `required:"" placeholder:"TIME" help:"Beginning of the period: a date, which means midnight UTC, or a time such as 2026-11-27T08:00:00Z."`
	To               string `placeholder:"TIME" help:"End of the period, which is not included. Now, by default."`
	JSON             bool   `name:"json" xor:"format" help:"Print the report as JSON."`
	CSV              bool   `name:"csv" xor:"format" help:"Print the differences, and what is in flight, as CSV."`
	Quiet            bool   `help:"Show no progress."`
	LookupsPerSecond int    `default:"20" help:"Lookups at the gateway at most, of those that confirm differences."`

	config.Config

	from, to time.Time
}

// Help describes the report.
func (auditCommand) Help() string {
	return "It compares the list of charges of the gateway with the payments, both ways, and changes nothing: the charges, and how " +
		"much of each was captured and refunded. Each difference is confirmed by a lookup at the gateway, and comes with the command " +
		"that mends it. Payments and refunds that are not final are listed apart. What is younger than PAYMENTD_LATE is left for the next audit. It takes the settings of serve, and may run while " +
		"the service runs.\n\n" +
		"Exit code 0: no difference. 1: differences, or the audit could not be made. 2: a setting is wrong, or the period is too " +
		"recent."
}

// maxLookupsPerSecond bounds a flag.
const maxLookupsPerSecond = 10_000

// Validate checks the settings. kong calls it.
func (c *auditCommand) Validate() (err error) {
	if c.from, err = parseTime("from", c.From); err != nil {
		return err
	}
	c.to = time.Now()
	if c.To != "" {
		if c.to, err = parseTime("to", c.To); err != nil {
			return err
		}
	}
	switch {
	case !c.from.Before(c.to):
		return config.InvalidFlag("from", "must be before the end of the period")
	case c.LookupsPerSecond < 1 || c.LookupsPerSecond > maxLookupsPerSecond:
		return config.InvalidFlag("lookups-per-second", "must be from 1 to %d", maxLookupsPerSecond)
	}
	return c.Config.Validate()
}

// parseTime parses a date or a time of RFC 3339.
func parseTime(flag, text string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, config.InvalidFlag(flag, "must be a date, such as 2026-11-27, or a time, such as 2026-11-27T08:00:00Z")
}

func (c *auditCommand) Run(ctx context.Context, s stdio) error {
	database := databaseFlags{config.Database{Database: c.Database}}
	return database.withPayments(ctx, s, func(r *app.Repository) error {
		listings, err := app.OpenListings(c.Config, s.logger("error"))
		if err != nil {
			return err
		}
		reports, err := c.audit(ctx, s, listings, r)
		for _, g := range listings {
			err = errors.Join(err, g.Close())
		}
		if err != nil {
			return err
		}
		return c.print(s, reports)
	})
}

// audit audits each gateway.
func (c *auditCommand) audit(
	ctx context.Context, s stdio, listings []gateways.Listing, r *app.Repository,
) (reports []audit.Report, err error) {
	line := newProgress(s.stderr, c.Quiet)
	defer line.end()
	for _, g := range listings {
		report, err := audit.Run(ctx, g, r, audit.Settings{
			From: c.from, To: c.to, Late: c.Late, LookupsPerSecond: c.LookupsPerSecond,
			Progress: func(p audit.Progress) { line.show(string(p.Phase), p.Done, p.Share) },
		})
		switch {
		case errors.Is(err, audit.ErrNothingYet):
			return nil, config.InvalidFlag("from", "must be earlier: what is younger than PAYMENTD_LATE (%v), plus the lookup lag of "+
				"the gateway, is not compared", c.Late)
		case err != nil:
			return nil, fmt.Errorf("audit %s: %w", g.Capabilities().Gateway, err)
		}
		reports = append(reports, report)
	}
	return reports, nil
}

// print prints the reports. The error says that the answer is no.
func (c *auditCommand) print(s stdio, reports []audit.Report) error {
	write := writeAuditText
	switch {
	case c.JSON:
		write = writeAuditJSON
	case c.CSV:
		write = writeAuditCSV
	}
	if err := write(s.stdout, reports); err != nil {
		return err
	}
	differences, unreadable, truncated := 0, 0, false
	for _, r := range reports {
		differences += len(r.Differences)
		unreadable += r.UnreadableCount
		truncated = truncated || r.Truncated
	}
	switch {
	case truncated:
		return fmt.Errorf("%s differences, and more than the audit can confirm: mend the cause of these, and audit a shorter period", thousands(differences))
	case unreadable > 0:
		return fmt.Errorf("%s differences, and %s charges in the list of the gateway could not be read", thousands(differences), thousands(unreadable))
	case differences > 0:
		return fmt.Errorf("%s differences: mend each as the report says, and audit the period again", thousands(differences))
	}
	return nil
}
