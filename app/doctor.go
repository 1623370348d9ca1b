package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/alecthomas/kong"

	"paymentd/adapters/httpgateway"
	"paymentd/adapters/tracing"
	"paymentd/internal/doctor"
)

type doctorCommand struct {
	Config

	Replicas int  `default:"0" placeholder:"N" help:"How many replicas are planned, for the number of connections. Those that are alive, by default."`
	JSON     bool `name:"json" help:"Print the findings as JSON."`
}

// Help says what the exit code means.
func (doctorCommand) Help() string {
	return "It changes nothing and charges nothing: the gateway is asked what became of a gateway key that nobody has used.\n\n" +
		"Exit code 0: go live; warnings are for you to judge. 1: do not. 2: a setting is wrong."
}

func (c *doctorCommand) Run(ctx context.Context, parsed *kong.Context, p process) error {
	findings, err := c.examine(ctx, p)
	if err != nil {
		return err
	}
	if because := c.sandboxNeedsName(); because != "" && !gatewayNamed(parsed) {
		findings = append(findings, doctor.Of("PAYMENTD_GATEWAY", "not set", false, doctor.Fail,
			"Set it to the address of a gateway, or to sandbox: for the simulation: the service does not start without it, because "+
				because+"."))
	}
	report := report{GoLive: doctor.Count(findings, doctor.Fail) == 0, Findings: findings}
	write := report.text
	if c.JSON {
		write = report.json
	}
	if err := write(p.stdout); err != nil {
		return err
	}
	if !report.GoLive {
		return fmt.Errorf("do not go live: %s", report.summary())
	}
	return nil
}

// examine makes every check.
func (c *doctorCommand) examine(ctx context.Context, p process) ([]doctor.Finding, error) {
	ctx, cancel := context.WithTimeout(ctx, checkupLimit+c.GatewayTimeout)
	defer cancel()
	if c.traced() {
		if err := tracing.Check(); err != nil {
			return nil, setting("traces", err.Error())
		}
	}
	certificate, err := c.certificate(p.logger("error"))
	if err != nil {
		return nil, err
	}
	r, err := OpenRepository(c.Config, p.logger("error"))
	if err != nil {
		return nil, err
	}
	findings := append(r.Diagnose(ctx, c.Replicas), c.times()...)
	findings = append(findings, c.callers(ctx, r.Keys(), findings), certificate, c.gatewayAddress(), c.openFiles())
	gateway, err := c.askGateway(ctx)
	return append(findings, gateway), errors.Join(err, r.Close())
}

// askGateway looks up a key that was never used; see [judgeGateway].
func (c *doctorCommand) askGateway(ctx context.Context) (doctor.Finding, error) {
	const check = "gateway"
	if strings.HasPrefix(c.Gateway, "sandbox:") {
		return doctor.Of(check, "the sandbox", false, doctor.Fail,
			"Name a real gateway in PAYMENTD_GATEWAY: here no money moves."), nil
	}
	gateway, err := httpgateway.New(c.Gateway, c.GatewayTimeout)
	if err != nil {
		return doctor.Finding{}, setting("gateway", err.Error())
	}
	ctx, cancel := context.WithTimeout(ctx, c.GatewayTimeout)
	defer cancel()
	return judgeGateway(ctx, gateway, doctor.Fail), nil
}

// report is what the doctor prints.
type report struct {
	GoLive   bool             `json:"go_live"`
	Findings []doctor.Finding `json:"findings"`
}

func (r report) json(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false) // for people
	return e.Encode(r)
}

// text is a line a finding, with what to change below it.
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
		return nil // the error says so
	}
	_, err := fmt.Fprintf(w, "\ngo live: %s\n", r.summary())
	return err
}

func (r report) summary() string {
	return fmt.Sprintf("%d of %d checks failed, %d warned", doctor.Count(r.Findings, doctor.Fail),
		len(r.Findings), doctor.Count(r.Findings, doctor.Warn))
}
