// Package core breaks each rule of the use cases once.
package core

import (
	_ "context"
	_ "database/sql" // denied
	_ "log/slog"
	_ "net/http" // denied

	_ "go.uber.org/fx" // denied

	_ "paymentd/adapters/sandbox/nothing" // denied
	_ "paymentd/app/nothing"              // denied
	_ "paymentd/core/apikey/nothing"
	_ "paymentd/core/endpoint/nothing"
	_ "paymentd/core/payment/nothing"
	_ "paymentd/ports/nothing"
	_ "paymentd/ports/portstest/nothing" // denied
)
