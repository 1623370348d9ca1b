package apikey

import (
	"strings"
	"time"
)

// KeepExpired is how long the repositories list an expired key among the active ones, so that its caller gets the reason
// for a refusal. For as long, it counts towards [MaxActive].
const KeepExpired = 30 * 24 * time.Hour

// conditional begins each stored scope of a key that expires or has limits. A version that knows neither reads such
// scopes as unknown ones, which allow nothing; without the mark it would accept the key for everything and for ever.
const conditional = "~"

// conditional reports whether a version that reads only the scopes of the key would allow too much.
func (k Key) conditional() bool { return !k.ExpiresAt.IsZero() || !k.Limits.IsZero() }

// StoredScopes returns the scopes of the key as they are stored.
func (k Key) StoredScopes() string {
	text := k.Scopes.String()
	if k.conditional() && text != "" {
		text = conditional + strings.ReplaceAll(text, ",", ","+conditional)
	}
	return text
}

// Row is a stored key, in the types of the columns.
type Row struct {
	ID                      ID
	Name                    Name
	Scopes                  string
	Hash                    []byte
	OrderPrefixes, Gateways string
	CreatedBy, RevokedBy    string

	// Zero for NULL.
	CreatedAt, LastUsedAt, RevokedAt, ExpiresAt time.Time
}

// Key returns the key of the row, or a *[StoredRowError] if the row is damaged.
func (r Row) Key() (Key, error) {
	hash, err := ReadHash(r.ID, r.Hash)
	if err != nil {
		return Key{}, err
	}
	key := Key{
		ID: r.ID, Name: r.Name, Scopes: ReadScopes(r.Scopes), Hash: hash,
		Limits:    Limits{OrderPrefixes: splitLimits(r.OrderPrefixes), Gateways: splitLimits(r.Gateways)},
		CreatedAt: r.CreatedAt, LastUsedAt: r.LastUsedAt, RevokedAt: r.RevokedAt, ExpiresAt: r.ExpiresAt,
		CreatedBy: r.CreatedBy, RevokedBy: r.RevokedBy,
	}
	if !key.conditional() && strings.Contains(r.Scopes, conditional) {
		// The columns were dropped by a step back of the schema.
		return Key{}, &StoredRowError{r.ID, "scopes", "are those of a key with limits or an expiry, which are lost: revoke it, and create another one"}
	}
	for i, scope := range key.Scopes {
		key.Scopes[i] = Scope(strings.TrimPrefix(string(scope), conditional))
	}
	return key, key.Validate()
}
