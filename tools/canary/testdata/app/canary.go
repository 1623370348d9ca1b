// Package app breaks, once each, the rules that hold everywhere.
package app

import (
	_ "net/http"

	_ "github.com/alecthomas/kong"          // denied
	_ "github.com/stretchr/testify/require" // denied
	_ "go.uber.org/fx"

	_ "paymentd/adapters/fake/nothing"                     // denied
	_ "paymentd/adapters/httpgateway/protocoltest/nothing" // denied
	_ "paymentd/adapters/mysqlstore/mysqltest/nothing"     // denied
	_ "paymentd/adapters/mysqlstore/nothing"
	_ "paymentd/adapters/sandbox/nothing"
	_ "paymentd/adapters/squaregateway/squarefake/nothing" // denied
	_ "paymentd/adapters/stripegateway/stripefake/nothing" // denied
	_ "paymentd/app/apptest/nothing"                       // denied
	_ "paymentd/app/cli/nothing"                           // denied
	_ "paymentd/app/config/nothing"
	_ "paymentd/app/gateways/nothing"
	_ "paymentd/core/nothing"
	_ "paymentd/core/simulation/history/nothing" // denied
	_ "paymentd/internal/leaktest/nothing"       // denied
	_ "paymentd/ports/portstest/nothing"         // denied
)
