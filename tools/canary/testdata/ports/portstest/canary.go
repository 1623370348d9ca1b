// Package portstest breaks each rule of the contract once.
package portstest

import (
	_ "testing"

	_ "github.com/stretchr/testify/require"

	_ "paymentd/adapters/fake/nothing" // denied
	_ "paymentd/app/nothing"           // denied
	_ "paymentd/core/payment/nothing"
	_ "paymentd/ports/nothing"
)
