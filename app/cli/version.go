package cli

import "fmt"

type versionCommand struct{}

func (versionCommand) Run(s stdio) error {
	_, err := fmt.Fprintln(s.stdout, "paymentd", s.version)
	return err
}
