// Package sqlrow breaks each rule of the internal packages once.
package sqlrow

import (
	_ "database/sql"

	_ "go.uber.org/fx" // denied

	_ "paymentd/adapters/other/nothing" // denied
	_ "paymentd/app/nothing"            // denied
	_ "paymentd/core/payment/nothing"
	_ "paymentd/internal/doctor/nothing"
	_ "paymentd/ports/nothing"
)
