package mysqlstore

// OpenTogether is Open for a repository that makes lone changes by statements of many rows as well.
func OpenBatchingAlways(databaseURL string, options Options) (*Payments, error) {
	s, err := Open(databaseURL, options)
	if err == nil {
		s.minBatchRows = 1
	}
	return s, err
}
