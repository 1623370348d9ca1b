package config

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"paymentd/app/gateways"
	"paymentd/core/payment"
)

// gatewayField is a field that gateways of all kinds have.
type gatewayField struct {
	gateways.Field

	set func(s *gateways.Settings, texts []string) error
	// many is how many values the field may have; zero for one.
	many int
}

// commonFields are the fields of every gateway, beside name and kind.
var commonFields = []gatewayField{
	{
		Field: gateways.Field{
			Name: "id", Allowed: "1 to 255 printable ASCII characters without spaces",
			Help: "Identity of the gateway, stored with each key. The name by default.",
		},
		set: func(s *gateways.Settings, texts []string) error {
			if unfitID(texts[0]) {
				return errors.New("must be 1 to 255 printable ASCII characters without spaces")
			}
			s.Options.ID = payment.GatewayID(texts[0])
			return nil
		},
	},
	{
		Field: gateways.Field{
			Name: "moved_from", Allowed: "addresses as the start prints them, such as https://gateway.example/v1",
			Help: "Earlier addresses of the same gateway, or those at which other replicas reach it: with open payments, the start is " +
				"refused at any other address than the stored one.",
		},
		many: maxMoved,
		set: func(s *gateways.Settings, texts []string) error {
			for _, text := range texts {
				if text == "" || len(text) > gateways.MaxAddressBytes {
					return fmt.Errorf("must be 1 to %d characters", gateways.MaxAddressBytes)
				}
			}
			s.MovedFrom = texts
			return nil
		},
	},
	{
		Field: gateways.Field{Name: "timeout", Allowed: "a duration from 1ms to 10m", Help: "Timeout of one attempt. `PAYMENTD_GATEWAY_TIMEOUT` by default."},
		set: func(s *gateways.Settings, texts []string) (err error) {
			s.Options.Timeout, err = gateways.DurationBetween(texts[0], time.Millisecond, 10*time.Minute)
			return err
		},
	},
	{
		Field: gateways.Field{Name: "max_retries", Allowed: "0 to 10", Help: "Retries after the first attempt of a round. `PAYMENTD_MAX_RETRIES` by default."},
		set: func(s *gateways.Settings, texts []string) (err error) {
			s.Retry.MaxRetries, err = numberBetween(texts[0], 0, 10)
			return err
		},
	},
	{
		Field: gateways.Field{Name: "retry_delay", Allowed: "a duration from 0s to 1m", Help: "Delay before the first retry; doubles before each further one. `PAYMENTD_RETRY_DELAY` by default."},
		set: func(s *gateways.Settings, texts []string) (err error) {
			s.Retry.Delay, err = gateways.DurationBetween(texts[0], 0, time.Minute)
			return err
		},
	},
	{
		Field: gateways.Field{Name: "max_concurrent", Allowed: "1 to 1000000", Help: "Bulkhead: attempts in flight at most. Further attempts are not made. As many as the service can begin by default."},
		set: func(s *gateways.Settings, texts []string) (err error) {
			s.MaxConcurrent, err = numberBetween(texts[0], 1, 1_000_000)
			return err
		},
	},
	{
		Field: gateways.Field{Name: "breaker_attempts", Allowed: "10 to 100000", Help: "Breaker: it opens if 95% of so many attempts or more within 10 s got no answer. 100 by default."},
		set: func(s *gateways.Settings, texts []string) (err error) {
			s.Breaker.Attempts, err = numberBetween(texts[0], 10, 100_000)
			return err
		},
	},
	{
		Field: gateways.Field{Name: "breaker_delay", Allowed: "a duration from 100ms to 1m", Help: "Breaker: how long it stays open before one attempt tests the gateway. 1s by default."},
		set: func(s *gateways.Settings, texts []string) (err error) {
			s.Breaker.Delay, err = gateways.DurationBetween(texts[0], 100*time.Millisecond, time.Minute)
			return err
		},
	},
	{
		Field: gateways.Field{
			Name: "payment_methods", Allowed: "patterns, such as pm_*",
			Help: "Payment methods that the gateway accepts, in which `*` stands for any characters. All by default.",
		},
		many: maxMethods,
		set: func(s *gateways.Settings, texts []string) error {
			for _, text := range texts {
				pattern, err := payment.ParseMethodPattern(text)
				if err != nil {
					return err
				}
				s.Methods = append(s.Methods, pattern)
			}
			return nil
		},
	},
}

func numberBetween(text string, low, high int) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < low || n > high {
		return 0, fmt.Errorf("must be a whole number from %d to %d, and is %q", low, high, text)
	}
	return n, nil
}

func unfitID(id string) bool {
	return id == "" || len(id) > payment.MaxGatewayIDBytes || strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r > '~' })
}
