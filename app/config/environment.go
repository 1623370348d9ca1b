package config

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/alecthomas/kong"
)

// Variables that Kubernetes sets in each container for the Services of its namespace whose names begin
// with paymentd (Kubernetes documentation, "Service", "Environment variables").
var (
	ofService = regexp.MustCompile(`^PAYMENTD_([A-Z0-9_]+_)?SERVICE_(HOST|PORT(_[A-Z0-9_]+)?)$`)
	ofPort    = regexp.MustCompile(`^PAYMENTD_([A-Z0-9_]+_)?PORT(_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?$`)
)

// CheckEnvironment returns an error that names the variables that look like settings but are none,
// because a setting with a misspelt name would keep its default, and the default gateway takes no money.
// It also rejects values that begin or end with white space, which would become part of a file name.
//
// A command that reads any setting accepts all settings, because scripts share one environment.
func CheckEnvironment(parser *kong.Kong, command *kong.Node, environ []string) error {
	known := variablesOf(parser.Model.Node)
	if command == nil || len(variablesOf(command)) == 0 {
		return nil
	}
	var unknown []string
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		flag, isSetting := known[name]
		switch {
		case isSetting && value != strings.TrimSpace(value) && name != "PAYMENTD_API_KEYS": // its keys are trimmed
			return &SettingError{Flag: flag, Variable: name, Problem: "must not begin or end with a space or a line feed"}
		case !isSetting && looksLikeSetting(name, known):
			unknown = append(unknown, name)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	slices.Sort(unknown)
	var problems []string
	for _, name := range unknown {
		problems = append(problems, describeUnknown(name, known))
	}
	return fmt.Errorf("%s: correct or unset the variable; paymentd serve --help lists the settings", strings.Join(problems, ", "))
}

// variablesOf returns the variables of a command and of its subcommands, with their flags.
func variablesOf(node *kong.Node) map[string]string {
	found := make(map[string]string)
	for _, flag := range node.Flags {
		for _, variable := range flag.Tag.Envs {
			if strings.HasPrefix(variable, VariablePrefix) {
				found[variable] = flag.Name
			}
		}
	}
	for _, child := range node.Children {
		maps.Copy(found, variablesOf(child))
	}
	return found
}

// looksLikeSetting reports whether a variable that is not a setting looks like one. A name in lower case
// counts only if it is similar to a setting, because it may belong to another program.
func looksLikeSetting(name string, known map[string]string) bool {
	if strings.HasPrefix(name, VariablePrefix) {
		return !ofService.MatchString(name) && !ofPort.MatchString(name)
	}
	return strings.HasPrefix(strings.ToUpper(name), VariablePrefix) && closest(name, known) != ""
}

func describeUnknown(name string, known map[string]string) string {
	shown := name
	if strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") != "" {
		shown = strconv.QuoteToASCII(name)
	}
	if meant := closest(name, known); meant != "" {
		return shown + " is not a setting (did you mean " + meant + "?)"
	}
	return shown + " is not a setting"
}

// maxEdits is the largest distance between similar names.
const maxEdits = 2

// closest returns the setting with the smallest distance to the name. If none is within maxEdits, it
// returns the longest setting that is a prefix of the name (PAYMENTD_DATABASE_URL), or the only setting
// that the name is a prefix of (PAYMENTD_TLS_CERT), or "".
func closest(name string, known map[string]string) string {
	name = strings.TrimSpace(strings.ToUpper(strings.ReplaceAll(name, "-", "_")))
	best, edits := "", maxEdits+1
	prefix, continuations := "", []string(nil)
	for _, setting := range slices.Sorted(maps.Keys(known)) {
		if d := distance(name[len(VariablePrefix):], setting[len(VariablePrefix):]); d < edits {
			best, edits = setting, d
		}
		if strings.HasPrefix(name, setting+"_") && len(setting) > len(prefix) {
			prefix = setting
		}
		if strings.HasPrefix(setting, name) && name != VariablePrefix {
			continuations = append(continuations, setting)
		}
	}
	switch {
	case best != "" && edits < len(name)-len(VariablePrefix):
		return best
	case prefix != "":
		return prefix
	case len(continuations) == 1:
		return continuations[0]
	}
	return ""
}

// distance returns the optimal string alignment distance: the number of letters to insert, delete,
// replace or transpose that turn a into b.
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			replace := rows[i-1][j-1]
			if a[i-1] != b[j-1] {
				replace++
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, replace)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}

// barePort matches the variable of a Service's first port, whose value is a URL such as tcp://10.0.0.1:3000.
var barePort = regexp.MustCompile(`^PAYMENTD_([A-Z0-9_]+_)?PORT$`)

// StrayPorts returns the variables that Kubernetes could have set for a port, but whose value is not a
// URL: they may be meant as the port to listen on.
func StrayPorts(environ []string) (names []string) {
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		isURL := strings.Contains(value, "://")
		isPart := ofService.MatchString(name) || strings.Contains(name, "_TCP_") || strings.Contains(name, "_UDP_") ||
			strings.Contains(name, "_SCTP_")
		if barePort.MatchString(name) && !isURL && !isPart {
			names = append(names, name)
		}
	}
	return names
}

// CheckGatewayNamed rejects the default gateway if real payments are likely; see
// [Config.SandboxNeedsName].
func (c *Config) CheckGatewayNamed(parsed *kong.Context) error {
	if c.GatewaysFile != "" {
		if GatewayNamed(parsed) {
			return Invalid("gateway", "must not be set together with PAYMENTD_GATEWAYS_FILE (--gateways-file): unset it, and add "+
				"the gateway to the file")
		}
		return nil
	}
	because := c.SandboxNeedsName()
	if because == "" || GatewayNamed(parsed) {
		return nil
	}
	return Invalid("gateway", "must be set, because "+because+": to the http:// or https:// address of a gateway, or to "+
		"sandbox: for the simulation, which takes no money")
}

// GatewayNamed reports whether the gateway is set by its flag or its variable.
func GatewayNamed(parsed *kong.Context) bool {
	if _, set := os.LookupEnv(VariablePrefix + "GATEWAY"); set {
		return true
	}
	return slices.ContainsFunc(parsed.Path, func(p *kong.Path) bool {
		return p.Flag != nil && p.Flag.Name == "gateway" && !p.Resolved
	})
}
