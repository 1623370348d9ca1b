// Package gateways breaks the rules of the table of gateways.
package gateways

import (
	_ "go.uber.org/fx" // denied

	_ "paymentd/adapters/sandbox/nothing"
	_ "paymentd/app/config/nothing" // denied
	_ "paymentd/app/nothing"        // denied
)
