//go:build tools

// Package vitess pins the Vitess that tools/engine.sh builds. It is a module of its own, outside of
// go.work, because its dependencies conflict with those of the product.
package vitess

import _ "vitess.io/vitess/go/cmd/vtcombo"
