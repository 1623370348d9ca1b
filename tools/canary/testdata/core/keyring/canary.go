// Package keyring breaks the rules of the use cases, which hold in packages below as well.
package keyring

import (
	_ "context"
	_ "net/http" // denied

	_ "paymentd/adapters/sandbox/nothing" // denied
	_ "paymentd/core/apikey/nothing"
	_ "paymentd/ports/nothing"
)
