// Command writedocs prints docs/configuration.md.
package main

import (
	"fmt"

	"paymentd/app/config"
)

func main() { fmt.Print(config.Document()) }
