// Package ports breaks each rule of the ports once.
package ports

import (
	_ "context"
	_ "database/sql" // denied
	_ "net/http"     // denied

	_ "go.uber.org/fx" // denied

	_ "paymentd/adapters/sandbox/nothing" // denied
	_ "paymentd/app/nothing"              // denied
	_ "paymentd/core/nothing"             // denied
	_ "paymentd/core/apikey/nothing"
	_ "paymentd/core/endpoint/nothing"
	_ "paymentd/core/payment/nothing"
)
