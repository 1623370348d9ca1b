package app

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

// variablePrefix begins the name of every variable that is a setting.
const variablePrefix = "PAYMENTD_"

// Variables that Kubernetes sets in each container for the Services of its namespace ("Service",
// Environment variables), for those whose name begins with paymentd.
var (
	ofService = regexp.MustCompile(`^PAYMENTD_([A-Z0-9_]+_)?SERVICE_(HOST|PORT(_[A-Z0-9_]+)?)$`)
	ofPort    = regexp.MustCompile(`^PAYMENTD_([A-Z0-9_]+_)?PORT(_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?$`)
)

// checkEnvironment returns an error that names the variables that look like settings and are none: a
// setting whose name is misspelt would keep its default, and the default gateway takes no money. Of
// those that are settings, a value must not begin or end with white space: it would be part of a file's
// name.
//
// All settings are known to all commands that read any, since scripts share one environment.
func checkEnvironment(parser *kong.Kong, command *kong.Node, environ []string) error {
	known := variablesOf(parser.Model.Node)
	if command == nil || len(variablesOf(command)) == 0 {
		return nil
	}
	var unknown []string
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		flag, isSetting := known[name]
		switch {
		case isSetting && value != strings.TrimSpace(value) && name != "PAYMENTD_API_KEYS": // whose keys are trimmed
			return &settingError{flag: flag, variable: name, problem: "must not begin or end with a space or a line feed"}
		case !isSetting && isMeantAsSetting(name, known):
			unknown = append(unknown, name)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	slices.Sort(unknown)
	var said []string
	for _, name := range unknown {
		said = append(said, sayUnknown(name, known))
	}
	return fmt.Errorf("%s: correct or unset the variable; paymentd serve --help lists the settings", strings.Join(said, ", "))
}

// variablesOf returns the settings of a command and of those below it, and their flags.
func variablesOf(node *kong.Node) map[string]string {
	found := make(map[string]string)
	for _, flag := range node.Flags {
		for _, variable := range flag.Tag.Envs {
			if strings.HasPrefix(variable, variablePrefix) {
				found[variable] = flag.Name
			}
		}
	}
	for _, child := range node.Children {
		maps.Copy(found, variablesOf(child))
	}
	return found
}

// isMeantAsSetting reports whether a variable that is no setting looks like one. In lower case it may be
// another program's, unless it is close to a setting.
func isMeantAsSetting(name string, known map[string]string) bool {
	if strings.HasPrefix(name, variablePrefix) {
		return !ofService.MatchString(name) && !ofPort.MatchString(name)
	}
	return strings.HasPrefix(strings.ToUpper(name), variablePrefix) && closest(name, known) != ""
}

func sayUnknown(name string, known map[string]string) string {
	shown := name
	if strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") != "" {
		shown = strconv.QuoteToASCII(name)
	}
	if meant := closest(name, known); meant != "" {
		return shown + " is not a setting (did you mean " + meant + "?)"
	}
	return shown + " is not a setting"
}

// maxEdits is how many letters may be wrong in a name that is still close to another.
const maxEdits = 2

// closest returns the setting whose name differs from the name in the fewest letters. If there is none
// within maxEdits, it returns the longest one that the name continues (PAYMENTD_DATABASE_URL), or the
// only one that continues the name (PAYMENTD_TLS_CERT). Empty if there is none.
func closest(name string, known map[string]string) string {
	name = strings.TrimSpace(strings.ToUpper(strings.ReplaceAll(name, "-", "_")))
	best, edits := "", maxEdits+1
	begun, continued := "", []string(nil)
	for _, setting := range sorted(known) {
		if d := distance(name[len(variablePrefix):], setting[len(variablePrefix):]); d < edits {
			best, edits = setting, d
		}
		if strings.HasPrefix(name, setting+"_") && len(setting) > len(begun) {
			begun = setting
		}
		if strings.HasPrefix(setting, name) && name != variablePrefix {
			continued = append(continued, setting)
		}
	}
	switch {
	case best != "" && edits < len(name)-len(variablePrefix):
		return best
	case begun != "":
		return begun
	case len(continued) == 1:
		return continued[0]
	}
	return ""
}

func sorted(known map[string]string) []string {
	return slices.Sorted(maps.Keys(known))
}

// distance is the number of letters to add, remove, replace or swap with the next one that make b of a
// (Damerau and Levenshtein's, without editing a swapped pair again).
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

// barePort is the variable of a Service's first port: its value is a URL such as tcp://10.0.0.1:3000.
var barePort = regexp.MustCompile(`^PAYMENTD_([A-Z0-9_]+_)?PORT$`)

// strayPorts returns the variables that have the name of one of Kubernetes' for a port, and a value that
// Kubernetes does not give it: the port to listen on may be meant.
func strayPorts(environ []string) (names []string) {
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

// checkGatewayNamed refuses the default gateway, the sandbox, where real payments are likely: a setting
// that is missing would answer "success", and take no money.
func checkGatewayNamed(parsed *kong.Context, c *Config) error {
	because := c.sandboxNeedsName()
	if because == "" || gatewayNamed(parsed) {
		return nil
	}
	return setting("gateway", "must be set, because "+because+": to the http:// or https:// address of a gateway, or to "+
		"sandbox: for the simulation, which takes no money")
}

// sandboxNeedsName returns why the sandbox is only taken if it is named; empty if it need not be.
func (c *Config) sandboxNeedsName() string {
	host, err := hostOf(c.Addr)
	switch {
	case hasPrefix(c.Database, "mysql://"):
		return "the database is MySQL"
	case err == nil && !loopback(host):
		return c.Addr + " is not a loopback address"
	}
	return ""
}

// gatewayNamed reports whether the gateway was set by its flag or its variable.
func gatewayNamed(parsed *kong.Context) bool {
	if _, set := os.LookupEnv(variablePrefix + "GATEWAY"); set {
		return true
	}
	return slices.ContainsFunc(parsed.Path, func(p *kong.Path) bool {
		return p.Flag != nil && p.Flag.Name == "gateway" && !p.Resolved
	})
}
