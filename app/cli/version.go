package cli

import (
	"fmt"
	"runtime"

	"github.com/alecthomas/kong"
)

type versionCommand struct{ jsonFlag }

// Help describes the exit codes.
func (versionCommand) Help() string { return "Exit code 0: printed." }

func (c versionCommand) Run(s stdio) error {
	if c.JSON {
		return writeJSON(s.stdout, struct {
			Version  string `json:"version"`
			Go       string `json:"go"`
			Platform string `json:"platform"`
		}{s.version, runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH})
	}
	_, err := fmt.Fprintln(s.stdout, "paymentd", s.version)
	return err
}

// versionFlag is --version, which may stand before any command.
type versionFlag bool

// BeforeReset prints the version and exits, before the other arguments are parsed. kong calls it.
func (versionFlag) BeforeReset(app *kong.Kong, vars kong.Vars) error {
	_, err := fmt.Fprintln(app.Stdout, "paymentd", vars["version"])
	app.Exit(0)
	return err
}
