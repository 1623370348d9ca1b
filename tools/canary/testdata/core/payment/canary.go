// Package payment breaks each rule of the domain once.
package payment

import (
	_ "context"      // denied
	_ "database/sql" // denied
	_ "net/http"     // denied
	_ "os"           // denied
	_ "strings"

	_ "go.uber.org/fx" // denied

	_ "paymentd/ports/nothing" // denied
)
