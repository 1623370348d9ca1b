package cli

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"paymentd/app/config"
	"paymentd/app/gateways"
	"paymentd/core/payment"
	"paymentd/internal/gatewaycheck"
)

// checkConnections is how many connections a check needs: more than its attempts at once.
const checkConnections = 32

// noAmount leaves out the check of an amount.
const noAmount = "none"

// optionalDuration is a duration that may be left out.
type optionalDuration = *time.Duration

type gatewayCheckCommand struct {
	Gateway string `placeholder:"URL" help:"Address of the gateway, as in PAYMENTD_GATEWAY."`
	Bearer  string `name:"bearer-file" placeholder:"FILE" help:"File of a token that the gateway asks for, as in PAYMENTD_GATEWAY_BEARER_FILE. Only with --gateway."`
	Config  string `placeholder:"FILE" help:"File of gateways, as in PAYMENTD_GATEWAYS_FILE, in place of --gateway."`
	Name    string `placeholder:"NAME" help:"Name of the gateway in the file."`
	Live    bool   `help:"The gateway may move real money. Required unless it is at a loopback address, a simulation, or has test credentials."`

	Currency       string `default:"USD" help:"Currency of the amounts, except the two in other currencies."`
	ApprovedAmount string `default:"1" help:"An amount that the gateway approves."`
	PaymentMethod  string `placeholder:"TOKEN" help:"The payment method of every charge. None, by default."`

	DeclinedAmount string `placeholder:"AMOUNT" help:"An amount that the gateway declines. By default that of the sandbox (9402), and none with --live. none skips the check; so for the next ones."`
	SlowAmount     string `placeholder:"AMOUNT" help:"An amount that the gateway approves after a second or more (sandbox: 9508)."`
	HungAmount     string `placeholder:"AMOUNT" help:"An amount that the gateway never answers (sandbox: 9505)."`
	PendingAmount  string `placeholder:"AMOUNT" help:"An amount whose charge stays pending until it is cancelled (sandbox: 9201)."`

	Amount0 string `name:"amount-0" default:"100 JPY" help:"An amount that is approved, in a currency without decimals; or none."`
	Amount3 string `name:"amount-3" default:"1.000 KWD" help:"An amount that is approved, in a currency with three decimals; or none."`

	KeyLifetime optionalDuration `placeholder:"DURATION" help:"How long the gateway declares to remember a key; 0s for ever. By default as in the file, or 24h."`
	LookupLag   optionalDuration `placeholder:"DURATION" help:"How long after a charge the gateway declares that a lookup may not see it. By default as in the file, or 0s."`
	Timeout     optionalDuration `placeholder:"DURATION" help:"Timeout of one attempt and of one lookup. By default as in the file, or 10s."`
	Wait        time.Duration    `default:"10s" help:"How long to wait for what the gateway does not declare: that a lookup finds a charge, and that a key gets old."`
	JSON        bool             `name:"json" help:"Print the report as JSON."`
}

// Help describes what the command does and its exit codes.
func (gatewayCheckCommand) Help() string {
	return "It charges, and prints the sum first. The order ids begin with gateway-check-. Use a gateway's test account.\n\n" +
		"Exit code 0: the gateway passed every check that could be made; judge what was skipped. 1: the promise of the service does " +
		"not hold with this gateway. 2: a setting is wrong, or the gateway may be live and --live is missing."
}

// sandboxAmounts are the defaults of the amounts for the checks that need a gateway to misbehave.
var sandboxAmounts = struct{ declined, slow, hung, pending string }{"9402", "9508", "9505", "9201"}

// Validate checks the settings. kong calls it.
func (c *gatewayCheckCommand) Validate() error {
	settings, err := c.settings()
	if err != nil {
		return err
	}
	for _, d := range []struct {
		flag      string
		value     time.Duration
		low, high time.Duration
	}{
		{"timeout", settings.Options.Timeout, 100 * time.Millisecond, 10 * time.Minute},
		{"wait", c.Wait, 0, time.Hour},
		{"lookup-lag", settings.Options.LookupLag, 0, time.Hour},
		{"key-lifetime", settings.Options.KeyLifetime, 0, 10 * 365 * 24 * time.Hour},
	} {
		if d.value < d.low || d.value > d.high {
			return config.InvalidFlag(d.flag, "must be from %s to %s, and is %s", d.low, d.high, d.value)
		}
	}
	if settings.MayMoveMoney() && !c.Live {
		return config.InvalidFlag("live", "is missing: gateway-check charges, and the gateway at %s may move real money. Use the gateway of a "+
			"test account, and give --live", settings.Name)
	}
	_, err = c.subject(settings)
	return err
}

// settings returns the settings of the gateway, with its address as the name if it is in no file.
func (c *gatewayCheckCommand) settings() (gateways.Settings, error) {
	s, err := c.fromFile()
	if c.Config == "" && c.Name == "" {
		s, err = c.fromAddress()
	}
	if err != nil {
		return s, err
	}
	s.Options.Connections = checkConnections
	for _, d := range []struct {
		given optionalDuration
		to    *time.Duration
	}{{c.KeyLifetime, &s.Options.KeyLifetime}, {c.LookupLag, &s.Options.LookupLag}, {c.Timeout, &s.Options.Timeout}} {
		if d.given != nil {
			*d.to = *d.given
		}
	}
	return s, nil
}

// source returns the flag that names the gateway.
func (c *gatewayCheckCommand) source() string {
	if c.Config != "" {
		return "config"
	}
	return "gateway"
}

// fromAddress returns the settings of the gateway at --gateway.
func (c *gatewayCheckCommand) fromAddress() (gateways.Settings, error) {
	cfg, err := config.Defaults()
	if err != nil {
		return gateways.Settings{}, err
	}
	if c.Gateway == "" {
		return gateways.Settings{}, config.InvalidFlag("gateway", "is missing: name the gateway with it, or with --config and --name")
	}
	cfg.Gateway, cfg.GatewayBearerFile = c.Gateway, c.Bearer
	set, err := cfg.GatewaySet()
	if err != nil {
		return gateways.Settings{}, flagged("gateway", err)
	}
	s := set.Gateways[0]
	s.Name = redacted(c.Gateway)
	return s, nil
}

// fromFile returns the settings of the gateway --name in the file --config.
func (c *gatewayCheckCommand) fromFile() (gateways.Settings, error) {
	if c.Config == "" || c.Name == "" || c.Gateway != "" || c.Bearer != "" {
		return gateways.Settings{}, config.InvalidFlag("config", "needs --name, and neither --gateway nor --bearer-file beside it")
	}
	cfg, err := config.Defaults()
	if err != nil {
		return gateways.Settings{}, err
	}
	cfg.GatewaysFile = c.Config
	set, err := cfg.GatewaySet()
	if err != nil {
		return gateways.Settings{}, flagged("config", err)
	}
	var names []string
	for _, s := range set.Gateways {
		if s.Name == c.Name {
			return s, nil
		}
		names = append(names, s.Name)
	}
	return gateways.Settings{}, config.InvalidFlag("name", "must be one of the file's gateways: %s", strings.Join(names, ", "))
}

// flagged returns the error of a setting with the flag of this command for it.
func flagged(flag string, err error) error {
	if wrong, ok := errors.AsType[*config.SettingError](err); ok {
		return config.InvalidFlag(flag, "%s", wrong.Problem)
	}
	return err
}

// redacted returns an address without a password.
func redacted(address string) string {
	if u, err := url.Parse(address); err == nil {
		return u.Redacted()
	}
	return address
}

// subject returns what to charge at the gateway.
func (c *gatewayCheckCommand) subject(at gateways.Settings) (gatewaycheck.Subject, error) {
	s := gatewaycheck.Subject{Timeout: at.Options.Timeout, Wait: c.Wait}
	byDefault := sandboxAmounts
	if c.Live {
		byDefault.declined, byDefault.slow, byDefault.hung, byDefault.pending = noAmount, noAmount, noAmount, noAmount
	}
	for _, a := range []struct {
		flag, value, byDefault string
		decimals               int // of the currency; -1 for any
		to                     *payment.Money
	}{
		{"approved-amount", c.ApprovedAmount, "", -1, &s.Approved},
		{"declined-amount", c.DeclinedAmount, byDefault.declined, -1, &s.Declined},
		{"slow-amount", c.SlowAmount, byDefault.slow, -1, &s.Slow},
		{"hung-amount", c.HungAmount, byDefault.hung, -1, &s.Hung},
		{"pending-amount", c.PendingAmount, byDefault.pending, -1, &s.Pending},
		{"amount-0", c.Amount0, "", 0, &s.Whole},
		{"amount-3", c.Amount3, "", 3, &s.Thousandths},
	} {
		value := a.value
		if value == "" {
			value = a.byDefault
		}
		money, err := c.parseAmount(value)
		if err != nil {
			return s, config.InvalidFlag(a.flag, "%s", err)
		}
		if !money.IsZero() && a.decimals >= 0 && money.Currency().Decimals() != a.decimals {
			return s, config.InvalidFlag(a.flag, "must be in a currency with %d decimals", a.decimals)
		}
		*a.to = money
	}
	if s.Approved.IsZero() {
		return s, config.InvalidFlag("approved-amount", "must be an amount")
	}
	if c.PaymentMethod != "" {
		method, err := payment.ParsePaymentMethod(c.PaymentMethod)
		if err != nil {
			return s, config.InvalidFlag("payment-method", "%s", err)
		}
		s.Method = method
	}
	return s, nil
}

// parseAmount reads an amount, which may be followed by its currency. It is zero for none.
func (c *gatewayCheckCommand) parseAmount(text string) (payment.Money, error) {
	if text == noAmount {
		return payment.Money{}, nil
	}
	amount, code, named := strings.Cut(text, " ")
	if !named {
		code = c.Currency
	}
	currency, err := payment.ParseCurrency(code)
	if err != nil {
		return payment.Money{}, err
	}
	return payment.ParseMoney(amount, currency)
}

func (c *gatewayCheckCommand) Run(ctx context.Context, s stdio) error {
	settings, err := c.settings()
	if err != nil {
		return err
	}
	subject, err := c.subject(settings)
	if err != nil {
		return err
	}
	settings.Options.Log = s.logger("error")
	gateway, err := settings.Kind.Open(settings.Options)
	if err != nil {
		return config.InvalidFlag(c.source(), "%s", err)
	}
	defer func() { _ = gateway.Close() }()
	subject.Gateway = gateway
	return checkGateway(ctx, s, settings.Name, subject, c.JSON)
}

// checkGateway runs the checks and prints the report. Its error is the answer no.
func checkGateway(ctx context.Context, s stdio, name string, subject gatewaycheck.Subject, asJSON bool) error {
	began := time.Now()
	sums := gatewaycheck.Charges(subject)
	report := func(gatewaycheck.Finding) {}
	var printed error
	if asJSON { // the sum comes first all the same
		_, printed = fmt.Fprintf(s.stderr, "gateway-check charges %s at %s\n", gatewaycheck.Describe(sums), name)
	} else {
		text := newCheckText(s.stdout, gatewaycheck.Names())
		printed = text.begin(name, sums)
		report = text.finding
	}
	if printed != nil {
		return printed
	}
	findings, err := gatewaycheck.Run(ctx, subject, report)
	if err != nil {
		return fmt.Errorf("stopped after %d of %d checks: %w", len(findings), len(gatewaycheck.Names()), err)
	}
	result := newCheckReport(name, sums, findings, time.Since(began))
	if asJSON {
		err = result.json(s.stdout)
	} else {
		err = result.end(s.stdout)
	}
	if err != nil {
		return err
	}
	return result.verdict()
}
