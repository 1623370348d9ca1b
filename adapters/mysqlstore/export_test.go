package mysqlstore

// OpenBatchingAlways is Open for a repository that uses the statements of many rows for single changes
// as well.
func OpenBatchingAlways(databaseURL string, options Options) (*Payments, error) {
	s, err := Open(databaseURL, options)
	if err == nil {
		s.minBatchRows = 1
	}
	return s, err
}
