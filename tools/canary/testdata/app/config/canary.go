// Package config breaks the rules of the settings.
package config

import (
	_ "github.com/alecthomas/kong"
	_ "go.uber.org/fx" // denied

	_ "paymentd/adapters/httpapi/nothing"
	_ "paymentd/app/cli/nothing" // denied
	_ "paymentd/app/gateways/nothing"
	_ "paymentd/app/internal/nothing"
	_ "paymentd/app/nothing" // denied
)
