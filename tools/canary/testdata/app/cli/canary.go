// Package cli breaks the rules of the command line.
package cli

import (
	_ "github.com/alecthomas/kong"
	_ "go.uber.org/fx" // denied

	_ "paymentd/app/config/nothing"
	_ "paymentd/app/nothing"
)
