// Package apikey breaks each rule of the domain of keys once.
package apikey

import (
	_ "context"      // denied
	_ "database/sql" // denied
	_ "net/http"     // denied
	_ "os"           // denied
	_ "strings"

	_ "go.uber.org/fx" // denied

	_ "paymentd/core/payment/nothing" // denied
	_ "paymentd/ports/nothing"        // denied
)
