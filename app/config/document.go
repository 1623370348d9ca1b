package config

import (
	"cmp"
	"fmt"
	"os"
	"strings"

	"github.com/alecthomas/kong"

	"paymentd/app/gateways"
)

// Document returns docs/configuration.md. `make generate` writes the file, and `make verify` compares it.
func Document() string {
	var b strings.Builder
	b.WriteString(documentHead)
	b.WriteString("\n## serve\n\n`paymentd doctor` takes the same settings. The commands that use the database take `PAYMENTD_DATABASE` and\n" +
		"`PAYMENTD_DATABASE_FILE`.\n\n")
	writeSettings(&b, settingsOf(new(Config)))
	b.WriteString("\n## sandbox\n\n")
	writeSettings(&b, settingsOf(new(Sandbox)))
	b.WriteString("\n## Gateways\n\nThe kinds of gateways. `PAYMENTD_GATEWAY` names one by its address; the others are configured in a gateways file.\n\n")
	writeGateways(&b)
	b.WriteString("\n## The gateways file\n\nWhat the file of `PAYMENTD_GATEWAYS_FILE` has: the list `gateways`, and the list `routes` unless there is a\n" +
		"single gateway. [Gateways](gateways.md) has an example. Unknown fields, duplicates and aliases are errors.\n")
	writeGatewaysFile(&b)
	b.WriteString(documentTail)
	return b.String()
}

const documentHead = `<!-- Generated from app/config by make generate. Do not edit. -->

# Configuration

Each setting is an environment variable and a flag; the flag takes precedence. A wrong value, or an unknown
variable that begins with ` + "`PAYMENTD_`" + `, stops the start with one line and exit code 2. Variables that Kubernetes
sets for Services whose names begin with paymentd, such as ` + "`PAYMENTD_SERVICE_HOST`" + `, are ignored.
`

const documentTail = `
## Go runtime

| variable | default | meaning |
| --- | --- | --- |
| ` + "`GOGC`" + ` | ` + "`200`" + ` | How much the heap may grow, in percent of the live heap, before garbage is collected. |
| ` + "`GOMEMLIMIT`" + ` | none; ` + "`460MiB`" + ` in the image | Soft limit of the memory of the Go runtime. Near it, garbage is collected more often, regardless of ` + "`GOGC`" + `. Set it to nine tenths of the memory limit of the container or unit, or to ` + "`off`" + `. |

The ` + "`OTEL_`" + ` variables of OpenTelemetry apply to traces.
`

// setting is a row of the table of settings.
type setting struct{ variable, flag, defaults, help, allowed string }

// settingsOf returns the settings of a struct, as kong reads them.
func settingsOf(target any) []setting {
	model := must(kong.New(target, new(Reader).Options()...)).Model
	var all []setting
	for _, f := range model.Flags {
		if len(f.Tag.Envs) == 0 { // --help
			continue
		}
		all = append(all, setting{
			variable: f.Tag.Envs[0], flag: "--" + f.Name, defaults: f.Default, help: f.Help, allowed: allowedOf(f.Value),
		})
	}
	return all
}

// anyText is allowed for a setting whose tags and type do not say more.
const anyText = "any text"

// allowedOf returns the values that a setting may have: its bounds, what its tag says, or what its type says.
func allowedOf(v *kong.Value) string {
	if low, high := v.Tag.Get("min"), v.Tag.Get("max"); low != "" {
		return low + " to " + high
	}
	tagged := os.Expand(v.Tag.Get("allowed"), func(name string) string { return variables[name] })
	return cmp.Or(tagged, kinds[v.Target.Type()].allowed, anyText)
}

func writeSettings(b *strings.Builder, settings []setting) {
	b.WriteString("| variable | flag | default | meaning | allowed values |\n| --- | --- | --- | --- | --- |\n")
	for _, s := range settings {
		defaults := "none"
		if s.defaults != "" {
			defaults = "`" + s.defaults + "`"
		}
		fmt.Fprintf(b, "| `%s` | `%s` | %s | %s | %s |\n", s.variable, s.flag, defaults, cell(s.help), cell(s.allowed))
	}
}

func writeGateways(b *strings.Builder) {
	b.WriteString("| kind | what it is | `PAYMENTD_GATEWAY` | moves money |\n| --- | --- | --- | --- |\n")
	for _, k := range gateways.Kinds {
		fmt.Fprintf(b, "| %s | %s | %s | %s |\n", k.Name, cell(k.Summary), cell(cmp.Or(k.Address, "only in the gateways file")), yesNo(k.MovesMoney))
	}
	b.WriteString("\n[Gateways](gateways.md#capabilities) has what each kind declares that it can prove.\n")
}

// writeGatewaysFile documents the fields of the gateways file.
func writeGatewaysFile(b *strings.Builder) {
	b.WriteString("\n### Fields of every gateway\n\n| field | meaning | allowed values |\n| --- | --- | --- |\n")
	writeField(b, gateways.Field{
		Name: "name", Required: true, Allowed: "1 to 64 characters of a-z, 0-9 and -",
		Help: "Name of the gateway in routes, metrics and the API.",
	})
	writeField(b, gateways.Field{Name: "kind", Required: true, Allowed: gateways.Names(), Help: "Kind of the gateway."})
	for _, f := range commonFields {
		writeField(b, f.Field)
	}
	for _, k := range gateways.Kinds {
		fmt.Fprintf(b, "\n### Fields of kind %s\n\n| field | meaning | allowed values |\n| --- | --- | --- |\n", k.Name)
		for _, f := range k.Fields {
			writeField(b, f)
		}
	}
	b.WriteString("\n### Fields of a route\n\n| field | meaning | allowed values |\n| --- | --- | --- |\n")
	for _, f := range routeFields {
		writeField(b, f)
	}
}

func writeField(b *strings.Builder, f gateways.Field) {
	required := ""
	if f.Required {
		required = " Required."
	}
	fmt.Fprintf(b, "| `%s` | %s%s | %s |\n", f.Name, cell(f.Help), required, cell(f.Allowed))
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// cell escapes a text for a cell of a Markdown table.
func cell(text string) string { return strings.NewReplacer("|", `\|`, "\n", " ").Replace(text) }

// formatHelp adds the allowed values to the --help of a setting.
func formatHelp(v *kong.Value) string {
	withAllowed := *v
	if allowed := allowedOf(v); allowed != anyText && len(v.Tag.Envs) > 0 {
		withAllowed.Help += " Allowed: " + allowed + "."
	}
	return kong.DefaultHelpValueFormatter(&withAllowed)
}
