package app

import (
	"cmp"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"paymentd/adapters/httpapi"
)

// settingError is a setting that the start stops at. It never shows a secret.
type settingError struct {
	flag     string
	variable string // empty where the flag has none
	problem  string // what the setting must be, or what it leads to
}

// Error names the setting under both its names: whoever reads it may have used either.
func (e *settingError) Error() string {
	if e.variable == "" {
		return fmt.Sprintf("--%s: %s", e.flag, e.problem)
	}
	return fmt.Sprintf("%s (--%s): %s", e.variable, e.flag, e.problem)
}

// setting is an error about a setting of [Config].
func setting(flag, problem string) error {
	variable := "PAYMENTD_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
	return &settingError{flag: flag, variable: variable, problem: problem}
}

// toSetting is an error about the flag --to of a command.
func toSetting(format string, args ...any) error {
	return &settingError{flag: "to", problem: fmt.Sprintf(format, args...)}
}

// values is how kong reads what is not a string. What kong itself says of a value that cannot
// be read names the flag alone, even where it came from a variable.
type values struct {
	wrong error // the first that could not be read
}

func (v *values) options() []kong.Option {
	return []kong.Option{
		kong.TypeMapper(reflect.TypeFor[time.Duration](), reader(v, time.ParseDuration,
			"must be a duration, such as 500ms, 30s or 5m")),
		kong.TypeMapper(reflect.TypeFor[optionalDuration](), reader(v, parseOptionalDuration,
			"must be a duration, such as 24h, or 0 for ever")),
		kong.TypeMapper(reflect.TypeFor[httpapi.Rate](), reader(v, httpapi.ParseRate,
			"must be a number of requests from 1 to 1000000 and a unit, such as 100/s, 6000/m or 20/h")),
		kong.TypeMapper(reflect.TypeFor[httpapi.Proxies](), reader(v, httpapi.ParseProxies,
			"must be addresses and ranges of proxies, such as 10.0.0.7,192.168.0.0/16, but not of all addresses")),
		kong.TypeMapper(reflect.TypeFor[httpapi.Hosts](), reader(v, httpapi.ParseHosts,
			"must be names or addresses of hosts, without scheme, port or path, such as pay.internal,10.0.0.7")),
		kong.KindMapper(reflect.Bool, switchReader{v}),
		kong.KindMapper(reflect.Int, reader(v, strconv.Atoi, "must be a whole number")),
		kong.KindMapper(reflect.Float64, reader(v, parseFloat, "must be a number, such as 0.1")),
	}
}

// switchReader reads a bool: --flag, --flag=false, or a variable.
type switchReader struct{ values *values }

// IsBool tells kong that the flag may come without a value.
func (r switchReader) IsBool() bool { return true }

// Decode is how kong reads one.
func (r switchReader) Decode(c *kong.DecodeContext, target reflect.Value) error {
	if c.Scan.Peek().Type != kong.FlagValueToken {
		target.SetBool(true)
		return nil
	}
	return reader(r.values, strconv.ParseBool, "must be true or false")(c, target)
}

// optionalDuration is a duration whose default depends on other settings.
type optionalDuration struct {
	duration time.Duration
	given    bool
}

func parseOptionalDuration(s string) (optionalDuration, error) {
	if s == "" {
		return optionalDuration{}, nil
	}
	d, err := time.ParseDuration(s)
	return optionalDuration{d, true}, err
}

func parseFloat(s string) (float64, error) { return strconv.ParseFloat(s, 64) }

func reader[T any](v *values, parse func(string) (T, error), must string) kong.MapperFunc {
	return func(c *kong.DecodeContext, target reflect.Value) error {
		var text string
		if err := c.Scan.PopValueInto("flag's", &text); err != nil {
			return err
		}
		value, err := parse(text)
		if err == nil {
			target.Set(reflect.ValueOf(value))
			return nil
		}
		v.wrong = cmp.Or(v.wrong, unreadable(c.Value, fmt.Sprintf("%s, and is %q", must, text)))
		return nil // told by parse
	}
}

func unreadable(v *kong.Value, problem string) error {
	e := &settingError{flag: v.Name, problem: problem}
	if len(v.Tag.Envs) > 0 {
		e.variable = v.Tag.Envs[0]
	}
	return e
}
