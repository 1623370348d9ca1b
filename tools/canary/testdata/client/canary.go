// Package client imports what a client of the service may not.
package client

import (
	_ "net/http"

	_ "paymentd/client/internal/wire"
	_ "paymentd/internal/standardwebhooks"

	_ "database/sql"                // denied
	_ "github.com/labstack/echo/v4" // denied
	_ "paymentd/adapters/httpapi"   // denied
	_ "paymentd/app"                // denied
	_ "paymentd/core/payment"       // denied
)
