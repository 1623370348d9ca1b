package config

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"paymentd/app/gateways"
	"paymentd/core/payment"
)

// gatewayDefaults returns the settings of a gateway that the settings of the service give.
func (c *Config) gatewayDefaults(k gateways.Kind) gateways.Settings {
	s := gateways.Settings{Kind: k, MaxConcurrent: c.MaxAttempts()}
	s.Options.Timeout, s.Options.KeyLifetime, s.Options.LookupLag = c.GatewayTimeout, k.Capabilities.KeyLifetime, k.Capabilities.LookupLag
	s.Retry.MaxRetries, s.Retry.Delay, s.Retry.Jitter = c.MaxRetries, c.RetryDelay, c.RetryJitter
	return s
}

// checkKeyLifetime checks that an attempt, and a charge that arrives late, end while the gateway still knows
// the key. The error continues the name of the setting.
func (c *Config) checkKeyLifetime(lifetime, timeout time.Duration, nameOfTimeout string) error {
	if least := timeout + c.Late; lifetime != 0 && lifetime <= least {
		return fmt.Errorf("must be longer than %s and PAYMENTD_LATE together, %v, or 0 if the gateway never forgets a key, and is %v",
			nameOfTimeout, least, lifetime)
	}
	return nil
}

// GatewaySet returns the gateways of the settings: those of the gateways file, or the one of
// PAYMENTD_GATEWAY. The error is a *SettingError.
func (c *Config) GatewaySet() (gateways.Set, error) {
	if c.GatewaysFile != "" {
		set, err := c.readGatewaysFile()
		if err != nil {
			return gateways.Set{}, Invalid("gateways-file", err.Error())
		}
		return set, nil
	}
	kind, known := gateways.Find(c.Gateway)
	if !known || c.Gateway != strings.TrimSpace(c.Gateway) {
		return gateways.Set{}, Invalid("gateway", "must begin with "+gateways.Schemes()+", and not end with a space or a line feed")
	}
	s := c.gatewayDefaults(kind)
	s.Name, s.Options.Address, s.Options.ID = kind.Name, c.Gateway, payment.GatewayID(c.GatewayName)
	s.Options.KeyLifetime = c.KeyLifetime()
	s.Options.LookupLag = cmp.Or(c.GatewayLookupLag, s.Options.LookupLag)
	s.Options.BearerFile, s.Options.WebhookSecretFile = c.GatewayBearerFile, c.GatewayEventsFile
	return gateways.One(s), nil
}
