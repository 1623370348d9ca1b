// Package admin breaks each rule of the record of what people do once.
package admin

import (
	_ "context"      // denied
	_ "database/sql" // denied
	_ "net/http"     // denied
	_ "os"           // denied

	_ "go.uber.org/fx" // denied

	_ "paymentd/core/apikey/nothing"
	_ "paymentd/core/endpoint/nothing"
	_ "paymentd/core/payment/nothing"
	_ "paymentd/ports/nothing" // denied
)
