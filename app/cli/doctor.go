package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/alecthomas/kong"

	"paymentd/adapters/httpapi"
	"paymentd/adapters/tracing"
	"paymentd/app"
	"paymentd/app/config"
	"paymentd/app/gateways"
	"paymentd/internal/doctor"
	"paymentd/internal/filewatch"
	"paymentd/ports"
)

type doctorCommand struct {
	config.Config

	Replicas int  `default:"0" placeholder:"N" help:"How many replicas are planned, for the number of connections. The replicas that are alive, by default."`
	JSON     bool `name:"json" help:"Print the findings as JSON."`
}

// Help describes the exit codes.
func (doctorCommand) Help() string {
	return "It changes nothing and charges nothing: it looks up a gateway key that was never used.\n\n" +
		"Exit code 0: ready to go live; judge the warnings yourself. 1: not ready. 2: a setting is wrong."
}

func (c *doctorCommand) Run(ctx context.Context, parsed *kong.Context, s stdio) error {
	findings, err := c.examine(ctx, s)
	if err != nil {
		return err
	}
	if because := c.SandboxNeedsName(); because != "" && c.GatewaysFile == "" && !config.GatewayNamed(parsed) {
		findings = append(findings, doctor.Of("PAYMENTD_GATEWAY", "not set", false, doctor.Fail,
			"Set it to the address of a gateway, or to sandbox: for the simulation: the service does not start without it, because "+
				because+"."))
	}
	report := report{GoLive: doctor.Count(findings, doctor.Fail) == 0, Findings: findings}
	write := report.text
	if c.JSON {
		write = report.json
	}
	if err := write(s.stdout); err != nil {
		return err
	}
	if !report.GoLive {
		return fmt.Errorf("do not go live: %s", report.summary())
	}
	return nil
}

// examine runs every check.
func (c *doctorCommand) examine(ctx context.Context, s stdio) ([]doctor.Finding, error) {
	set, err := c.GatewaySet()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, app.DoctorTimeout+set.Timeout())
	defer cancel()
	if app.Traced(c.Config) {
		if err := tracing.Check(); err != nil {
			return nil, config.Invalid("traces", err.Error())
		}
	}
	certificate, err := c.certificate(s.logger("error"))
	if err != nil {
		return nil, err
	}
	r, err := app.OpenRepository(c.Config, s.logger("error"))
	if err != nil {
		return nil, err
	}
	findings := append(r.Doctor(ctx, c.Replicas), c.DoctorTimes()...)
	findings = append(findings, c.apiKeys(ctx, r.Keys(), findings), certificate)
	findings = append(findings, c.DoctorGatewayAddresses()...)
	findings = append(findings, c.DoctorOpenFiles())
	found, err := c.gateways(ctx, set, s.logger("error"))
	return append(findings, found...), errors.Join(err, r.Close())
}

// gateways checks each gateway, unless they move no money.
func (c *doctorCommand) gateways(ctx context.Context, set gateways.Set, log *slog.Logger) ([]doctor.Finding, error) {
	if !set.MovesMoney() {
		return []doctor.Finding{gateways.NoMoney(set.Gateways[0].Kind)}, nil
	}
	open, err := app.OpenAll(c.Config, set, filewatch.NewSet(log), nil, log)
	if err != nil {
		return nil, err
	}
	findings := open.Doctor(ctx, doctor.Fail)
	if !set.CatchAll() {
		findings = append(findings, doctor.Of("routes", "no route matches every payment", false, doctor.Warn,
			"Add a route without currency and amounts at the end, unless payments that no route matches must be refused."))
	}
	return findings, open.Close()
}

// certificate checks the TLS certificate. The error is that of a certificate with which the service does
// not start.
func (c *doctorCommand) certificate(log *slog.Logger) (doctor.Finding, error) {
	const check = "PAYMENTD_TLS_CERTIFICATE"
	if c.TLSCertificate == "" {
		return doctor.Of(check, "none", c.ServesLoopback(), doctor.Warn,
			"Set it, with PAYMENTD_TLS_KEY, unless a proxy in front of the service terminates TLS and the network behind it is "+
				"safe: without TLS, API keys can be read on the network and used to pay."), nil
	}
	certificate, err := app.OpenCertificate(c.Config, log)
	if err != nil {
		return doctor.Finding{}, err
	}
	left := time.Until(certificate.Expiry())
	level := doctor.Warn
	if left <= 0 {
		level = doctor.Fail
	}
	return doctor.Of(check, "expires at "+certificate.Expiry().UTC().Format(time.RFC3339), left >= httpapi.CertificateWarning, level,
		"Renew it: clients refuse to connect once it, or a certificate above it in the file, has expired."), nil
}

// errDatabaseUnreachable means that the stored API keys are unknown.
var errDatabaseUnreachable = errors.New("the database cannot be reached")

// apiKeys checks that there are API keys, in the configuration or in the database. The database is read
// only if the other findings show that it has its tables, because reading would create a SQLite file.
func (c *doctorCommand) apiKeys(ctx context.Context, keys ports.Keys, others []doctor.Finding) doctor.Finding {
	const check = "API keys"
	configured := len(c.APIKeys)
	if file, err := config.ReadKeysFile(c.APIKeysFile); err == nil { // an error stops the start
		configured += len(file)
	}
	var stored ports.ActiveKeys
	var err error
	switch {
	case slices.ContainsFunc(others, is("database", doctor.Fail)):
		err = errDatabaseUnreachable
	case slices.ContainsFunc(others, is("schema", doctor.OK)):
		stored, err = keys.Active(ctx)
	}
	accepted := stored.Accepted(time.Now())
	switch found := fmt.Sprintf("%d of the configuration, %d of the database", configured, accepted); {
	case err != nil:
		return doctor.Of(check, fmt.Sprintf("%d of the configuration; those of the database are not known: %v", configured, err),
			configured > 0, doctor.Fail, "Check that the database answers: every request is refused until the keys are known.")
	case configured+accepted > 0:
		return doctor.Good(check, found)
	case stored.Ever:
		return doctor.Of(check, found, false, doctor.Fail,
			"Create one with `paymentd keys create`: all earlier keys are revoked or have expired, and every request is refused.")
	case !c.ServesLoopback():
		return doctor.Of(check, found, false, doctor.Fail,
			"Create one with `paymentd keys create`: without a key, the service does not start at "+c.Addr+".")
	default:
		return doctor.Of(check, found, false, doctor.Warn,
			"Create one with `paymentd keys create`, unless every process and user of this machine may pay.")
	}
}

// is returns a predicate of the findings of a check with a level.
func is(check string, level doctor.Level) func(doctor.Finding) bool {
	return func(f doctor.Finding) bool { return f.Check == check && f.Level == level }
}

// report is the output of the doctor.
type report struct {
	GoLive   bool             `json:"go_live"`
	Findings []doctor.Finding `json:"findings"`
}

func (r report) json(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(r)
}

// text prints a line for each finding, followed by its advice.
func (r report) text(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.DiscardEmptyColumns)
	for _, f := range r.Findings {
		_, _ = fmt.Fprintf(t, "%s\t%s\t%s\n", strings.ToUpper(string(f.Level)), f.Check, f.Found)
		if f.Advice != "" {
			_, _ = fmt.Fprintf(t, "\t\t→ %s\n", f.Advice)
		}
	}
	_ = t.Flush()
	if !r.GoLive {
		return nil // the error of the command says so
	}
	_, err := fmt.Fprintf(w, "\ngo live: %s\n", r.summary())
	return err
}

func (r report) summary() string {
	return fmt.Sprintf("%d of %d checks failed, %d warned", doctor.Count(r.Findings, doctor.Fail),
		len(r.Findings), doctor.Count(r.Findings, doctor.Warn))
}
