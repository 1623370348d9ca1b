// Package sandbox is a simulated payment gateway. It moves no money, and otherwise does
// what the service leans on: it honours gateway keys, can be asked what became of one,
// and keeps what it has decided in a ledger on disk that survives kill -9. A gateway that
// forgot its charges could not show a double one.
//
// It comes in two shapes over the same ledger: in process, where [Gateway] is
// ports.Gateway, and as a server of its own ([NewServer]) that speaks the gateway
// protocol.
//
// Certain amounts make it misbehave, as the test cards of real gateways do; see [Amounts].
package sandbox
