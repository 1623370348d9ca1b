package core_test

import (
	_ "net/http"

	_ "github.com/stretchr/testify/require"

	_ "paymentd/adapters/fake/nothing"
	_ "paymentd/ports/portstest/nothing"
)
