// Package gatewaycheck checks whether a gateway behaves as the promise of the service needs it to: that a
// key is one charge even if its answers are lost, that lookups report what was charged, and that each
// answer shows who gave it. It charges.
//
// The checks use ports.Gateway, so that they apply to every adapter. What is special to the gateway
// protocol needs an adapter with PostBody, and the list of charges needs ports.Ledger.
package gatewaycheck
