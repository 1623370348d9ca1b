package apikey

import "fmt"

// StoredRowError says why a stored row is not a valid key: the row is damaged.
type StoredRowError struct {
	ID      ID
	Column  string // of the table api_keys
	Problem string // what is wrong with the column: "has 3 bytes"
}

// Error names the key and the column.
func (e *StoredRowError) Error() string {
	return fmt.Sprintf("read the row of API key %+q: api_keys.%s %s", e.ID, e.Column, e.Problem)
}

// ReadHash returns the hash of a row, or a *[StoredRowError].
func ReadHash(id ID, stored []byte) (Hash, error) {
	if len(stored) != len(Hash{}) {
		return Hash{}, &StoredRowError{id, "hash", fmt.Sprintf("has %d bytes instead of %d", len(stored), len(Hash{}))}
	}
	return Hash(stored), nil
}

// Validate checks what is true of every stored key. A repository calls it after each read. The error is
// a *[StoredRowError].
func (k Key) Validate() error {
	switch {
	case k.ID == "":
		return &StoredRowError{k.ID, "id", "is empty"}
	case k.Hash.ID() != k.ID:
		return &StoredRowError{k.ID, "hash", "does not match the id"}
	case k.Name == "":
		return &StoredRowError{k.ID, "name", "is empty"}
	case k.Scopes.String() == "":
		return &StoredRowError{k.ID, "scopes", "is empty"}
	case k.CreatedAt.IsZero() || k.CreatedAt.UTC().Year() < 1 || k.CreatedAt.UTC().Year() > 9999:
		return &StoredRowError{k.ID, "created_at", "is not a valid time"}
	}
	return nil
}
