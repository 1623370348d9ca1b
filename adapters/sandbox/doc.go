// Package sandbox is a simulated payment gateway. It moves no money, and otherwise has the properties
// that the service depends on: it honours gateway keys, answers lookups, and stores its decisions in a
// ledger on disk that survives kill -9. A gateway that forgot its charges could not reveal a double
// charge.
//
// It has two forms on the same ledger: in process, where [Gateway] is ports.Gateway, and as a server
// ([NewServer]) of the gateway protocol.
//
// Certain amounts make it misbehave, like the test cards of real gateways; see [Amounts].
package sandbox
