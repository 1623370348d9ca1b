// Package endpoint breaks each rule of the domain of webhook endpoints once.
package endpoint

import (
	_ "context"      // denied
	_ "database/sql" // denied
	_ "net/http"     // denied
	_ "net/url"
	_ "os" // denied

	_ "go.uber.org/fx" // denied

	_ "paymentd/core/apikey/nothing" // denied
	_ "paymentd/core/payment/nothing"
	_ "paymentd/ports/nothing" // denied
)
