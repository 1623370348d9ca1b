// Command paymentd is a payment service that charges an order exactly once.
package main

import (
	"context"
	"os"

	"paymentd/app/cli"
)

// version is set by the linker: -ldflags "-X main.version=...".
var version = "devel"

func main() {
	os.Exit(cli.Run(context.Background(), os.Args[1:], os.Stdout, os.Stderr, version))
}
