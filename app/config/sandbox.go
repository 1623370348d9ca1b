package config

import (
	"time"

	"paymentd/adapters/sandbox"
	"paymentd/app/gateways"
)

// sandboxPrefix begins the variables of [Sandbox].
const sandboxPrefix = VariablePrefix + "SANDBOX_"

// Sandbox holds the settings of `paymentd sandbox`. The tags are those of [Config].
type Sandbox struct {
	Addr    string        `default:"127.0.0.1:3001" env:"PAYMENTD_SANDBOX_ADDR" allowed:"host:port, such as 127.0.0.1:3000" help:"Address to listen on."`
	Ledger  string        `default:"sandbox.ledger" env:"PAYMENTD_SANDBOX_LEDGER" allowed:"a file" help:"File that keeps every charge."`
	Latency time.Duration `default:"0s" env:"PAYMENTD_SANDBOX_LATENCY" min:"0s" max:"30s" help:"Time that each charge takes."`

	ForgetAfter time.Duration `default:"0s" env:"PAYMENTD_SANDBOX_FORGET_AFTER" allowed:"0s or more" help:"How long an idempotency key is remembered after its first use, such as 24h; afterwards a repeat is a new charge, and a lookup finds nothing. 0s means forever."`

	HoldFor time.Duration `default:"168h" env:"PAYMENTD_SANDBOX_HOLD_FOR" min:"1s" max:"8760h" help:"How long the money of a charge that is to be captured later is held."`

	EventsURL        string `name:"events-url" default:"" env:"PAYMENTD_SANDBOX_EVENTS_URL" placeholder:"URL" allowed:"an http:// or https:// address, such as http://127.0.0.1:3000/gateways/http/events" help:"Address that gets an event for each decision of a charge, a capture, a void or a refund. None by default."`
	EventsSecretFile string `name:"events-secret-file" default:"" env:"PAYMENTD_SANDBOX_EVENTS_SECRET_FILE" placeholder:"FILE" allowed:"a file of one or two lines, which begin with whsec_" help:"File of the secret that signs the events; the last line counts."`
}

// Validate checks the settings. kong calls it. The latency is bounded because the server of the sandbox
// gives up writing an answer later than that.
func (s *Sandbox) Validate() error {
	if _, err := hostOf(s.Addr); err != nil {
		return InvalidSandbox("addr", err.Error())
	}
	if s.ForgetAfter < 0 {
		return InvalidSandbox("forget-after", "must be 0s (forever) or more, and is "+s.ForgetAfter.String())
	}
	if (s.EventsURL == "") != (s.EventsSecretFile == "") {
		return InvalidSandbox("events-url", "must be set together with --events-secret-file")
	}
	if s.EventsURL == "" {
		return validateBounds(s)
	}
	if err := sandbox.CheckEventsURL(s.EventsURL); err != nil {
		return InvalidSandbox("events-url", err.Error())
	}
	if err := gateways.CheckWebhookSecretFile(s.EventsSecretFile); err != nil {
		return InvalidSandbox("events-secret-file", err.Error())
	}
	return validateBounds(s)
}
