// Package endpoint is the domain of webhook endpoints: who receives which events, when a delivery is repeated, and
// when an endpoint that fails is switched off. It does no I/O.
package endpoint
