// Package groupcommit breaks each rule of the group commit once.
package groupcommit

import (
	_ "sync"

	_ "database/sql"                  // denied
	_ "paymentd/core/payment/nothing" // denied
	_ "paymentd/ports/nothing"        // denied
)
