// Package ports holds the interfaces that the core depends on, and their contract: what the payment use
// cases need from outside, and what every adapter promises in return. The contract is written in the
// comments here, and as code in package portstest, whose suites every adapter passes.
package ports
