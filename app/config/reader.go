package config

import (
	"cmp"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"paymentd/adapters/httpapi"
	"paymentd/app/gateways"
	"paymentd/internal/egress"
)

// VariablePrefix begins the name of every environment variable that is a setting.
const VariablePrefix = "PAYMENTD_"

// SettingError is a setting with a wrong value. It never contains a secret.
type SettingError struct {
	Flag     string
	Variable string // empty if the flag has none
	Problem  string // what the value must be, or what it causes
}

// Error names the setting by its variable and by its flag, because either may have been used.
func (e *SettingError) Error() string {
	if e.Variable == "" {
		return fmt.Sprintf("--%s: %s", e.Flag, e.Problem)
	}
	return fmt.Sprintf("%s (--%s): %s", e.Variable, e.Flag, e.Problem)
}

// Invalid returns the error of a setting of [Config].
func Invalid(flag, problem string) error {
	return &SettingError{Flag: flag, Variable: VariablePrefix + variableOf(flag), Problem: problem}
}

// InvalidSandbox returns the error of a setting of [Sandbox].
func InvalidSandbox(flag, problem string) error {
	return &SettingError{Flag: flag, Variable: sandboxPrefix + variableOf(flag), Problem: problem}
}

// InvalidFlag returns the error of a flag that has no variable.
func InvalidFlag(flag, format string, args ...any) error {
	return &SettingError{Flag: flag, Problem: fmt.Sprintf(format, args...)}
}

// invalidVariable returns the error of the setting with this variable.
func invalidVariable(variable, problem string) error {
	name, isSandbox := strings.CutPrefix(variable, sandboxPrefix)
	name = strings.TrimPrefix(name, VariablePrefix)
	flag := strings.ToLower(strings.ReplaceAll(name, "_", "-"))
	if isSandbox {
		return InvalidSandbox(flag, problem)
	}
	return Invalid(flag, problem)
}

func variableOf(flag string) string { return strings.ToUpper(strings.ReplaceAll(flag, "-", "_")) }

// Reader reads the values that are not strings. kong's own errors name the flag even if the value comes
// from a variable; the errors of a Reader name both.
type Reader struct {
	err error // of the first value that could not be read
}

// Err returns the error of the first value that could not be read.
func (r *Reader) Err() error { return r.err }

// kind is how values of one type are read.
type kind struct {
	mapper  func(*Reader, kind) kong.Mapper
	allowed string // continues "must be"
}

// kinds are the types that have a parser of their own.
var kinds = map[reflect.Type]kind{
	reflect.TypeFor[time.Duration](): {parsedBy(time.ParseDuration), "a duration, such as 500ms, 30s or 5m"},
	reflect.TypeFor[optionalDuration](): {
		parsedBy(parseOptionalDuration), "a duration, such as 24h, or 0 if the gateway never forgets a key",
	},
	reflect.TypeFor[httpapi.Rate](): {
		parsedBy(httpapi.ParseRate), "a number of requests from 1 to 1000000 and a unit, such as 100/s, 6000/m or 20/h",
	},
	reflect.TypeFor[httpapi.Proxies](): {
		parsedBy(httpapi.ParseProxies), "addresses and ranges of proxies, such as 10.0.0.7,192.168.0.0/16, without an empty element, and not of all addresses",
	},
	reflect.TypeFor[httpapi.Hosts](): {
		parsedBy(httpapi.ParseHosts), "names or addresses of hosts, without scheme, port or path, without an empty element, such as pay.internal,10.0.0.7",
	},
	reflect.TypeFor[egress.Hosts](): {
		parsedBy(egress.ParseHosts), "names or addresses of hosts, without scheme or port, without an empty element, such as hooks.internal,10.1.2.3",
	},
	reflect.TypeFor[bool](): {
		func(r *Reader, k kind) kong.Mapper { return boolMapper{parsedBy(strconv.ParseBool)(r, k)} }, "true or false",
	},
	reflect.TypeFor[int]():     {parsedBy(strconv.Atoi), "a whole number"},
	reflect.TypeFor[float64](): {parsedBy(parseFloat), "a number, such as 0.1"},
}

// variables are replaced in the tags help and allowed, so that these follow the table of gateway kinds.
var variables = kong.Vars{
	"gateway_addresses":     gateways.Addresses(),
	"gateway_summaries":     gateways.Summaries(),
	"gateway_key_lifetimes": gateways.KeyLifetimes(),
}

// Options are kong's options for the types of settings, and for --help.
func (r *Reader) Options() []kong.Option {
	options := []kong.Option{kong.ValueFormatter(formatHelp), variables}
	for t, k := range kinds {
		options = append(options, kong.TypeMapper(t, k.mapper(r, k)))
	}
	return options
}

// boolMapper reads --flag, --flag=false, or a variable.
type boolMapper struct{ kong.Mapper }

// IsBool reports that the flag may have no value.
func (boolMapper) IsBool() bool { return true }

// Decode implements kong.Mapper.
func (m boolMapper) Decode(c *kong.DecodeContext, target reflect.Value) error {
	if c.Scan.Peek().Type != kong.FlagValueToken {
		target.SetBool(true)
		return nil
	}
	return m.Mapper.Decode(c, target)
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

// parsedBy returns how kong reads a value with the function.
func parsedBy[T any](parse func(string) (T, error)) func(*Reader, kind) kong.Mapper {
	return func(r *Reader, k kind) kong.Mapper {
		return kong.MapperFunc(func(c *kong.DecodeContext, target reflect.Value) error {
			var text string
			if err := c.Scan.PopValueInto("flag's", &text); err != nil {
				return err
			}
			value, err := parse(text)
			if err == nil {
				target.Set(reflect.ValueOf(value))
				return nil
			}
			r.err = cmp.Or(r.err, unreadable(c.Value, fmt.Sprintf("must be %s, and is %q", k.allowed, text)))
			return nil // Err returns it
		})
	}
}

func unreadable(v *kong.Value, problem string) error {
	e := &SettingError{Flag: v.Name, Problem: problem}
	if len(v.Tag.Envs) > 0 {
		e.Variable = v.Tag.Envs[0]
	}
	return e
}
