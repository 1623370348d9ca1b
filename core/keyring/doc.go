// Package keyring knows who may call. A [Ring] holds every active API key in memory, so that to check
// one asks nobody: it is a hash, a look into a map, and a comparison. Behind the requests, it reads the
// keys anew every two seconds, and stores which of them were used.
//
// So a key that was created opens, and one that was revoked is refused, on every replica within two
// seconds and the time of a query. A replica that cannot reach the database keeps the keys that it knows:
// without the database it charges nothing and reads no payment, whoever asks for it.
package keyring
