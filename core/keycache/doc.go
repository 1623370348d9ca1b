// Package keycache decides who may call. A [Cache] holds every active API key in memory, so that a
// check needs no query: it is a hash, a map lookup and a comparison. In the background, the cache reads
// the keys again every two seconds, and stores which of them were used.
//
// A created key is therefore accepted, and a revoked one refused, on every replica within two seconds
// and the time of a query. A replica that cannot reach the database keeps the keys that it last read.
// That is safe, because without the database it charges nothing and reads no payment.
package keycache
