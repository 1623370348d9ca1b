// Package contract holds the service to openapi.yaml with a library that knows nothing of our types. It is
// a module of its own, because only these tests need that library.
package contract
