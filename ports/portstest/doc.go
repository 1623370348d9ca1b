// Package portstest is the contract of package ports as code: a suite for every repository of payments,
// one for every repository of API keys, and one for every gateway.
//
// The suites use an adapter only through its port. They do not depend on the speed of a database: a live
// claim has a lease of an hour, an expired claim a lease of zero, and tests of time itself poll with a
// deadline.
package portstest
