// Package adapter breaks each rule of an adapter once. It is copied to the place
// of each adapter that there is, with THIS for its name.
package adapter

import (
	_ "database/sql"
	_ "net/http"

	_ "go.uber.org/fx" // denied

	_ "paymentd/adapters/THIS/internal/nothing"
	_ "paymentd/adapters/other/nothing" // denied
	_ "paymentd/app/nothing"            // denied
	_ "paymentd/core/nothing"
	_ "paymentd/core/apikey/nothing"
	_ "paymentd/core/payment/nothing"
	_ "paymentd/ports/nothing"
)
