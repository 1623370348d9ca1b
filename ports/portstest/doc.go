// Package portstest is the contract of package ports as code: one suite that every
// repository of payments passes, one for those of API keys, and one that every gateway passes.
//
// The suites know an adapter only through its port. They do not sleep and do not lean on
// how fast a database is: a claim that must be alive has a lease of an hour, one that must
// have run out a lease of nothing, and where time itself is tested they ask again until
// the answer comes.
package portstest
