// Package keycache breaks the rules of the use cases, which apply to the packages below as well.
package keycache

import (
	_ "context"
	_ "net/http" // denied

	_ "paymentd/adapters/sandbox/nothing" // denied
	_ "paymentd/core/apikey/nothing"
	_ "paymentd/ports/nothing"
)
