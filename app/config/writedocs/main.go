// Command writedocs prints a page of the documentation that is generated from the settings: docs/configuration.md, or, with
// the path of docs/gateways.md, that page with its table of capabilities.
package main

import (
	"fmt"
	"os"

	"paymentd/app/config"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Print(config.Document())
		return
	}
	page, err := os.ReadFile(os.Args[1]) //nolint:gosec // the path that the caller names
	if err == nil {
		var text string
		if text, err = config.InsertCapabilities(string(page)); err == nil {
			fmt.Print(text)
			return
		}
	}
	fmt.Fprintln(os.Stderr, "writedocs:", err)
	os.Exit(1)
}
