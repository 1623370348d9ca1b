//go:build tools

// Package tidb pins the TiDB that tools/engine.sh builds. It is a module of its own, outside of go.work,
// because its dependencies conflict with those of the product.
package tidb

import _ "github.com/pingcap/tidb/cmd/tidb-server"
