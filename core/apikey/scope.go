package apikey

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Scope is a permission of a key.
type Scope string

// The scopes.
const (
	ScopePay     Scope = "pay"     // charge orders, and read their payments
	ScopeCapture Scope = "capture" // capture and void payments, and read single payments
	ScopeRefund  Scope = "refund"  // refund payments, and read single payments and their refunds
	ScopeRead    Scope = "read"    // list and read payments, and scrape the metrics
	ScopeAdmin   Scope = "admin"   // everything, now and in later versions
)

// allScopes is in the order in which scopes are written.
var allScopes = Scopes{ScopePay, ScopeCapture, ScopeRefund, ScopeRead, ScopeAdmin}

// Scopes are the permissions of a key, each once.
type Scopes []Scope

// ParseScopes parses scopes that are separated by commas. The error is a sentence that says what to
// change.
func ParseScopes(text string) (Scopes, error) {
	given := make(map[Scope]bool)
	for field := range strings.SplitSeq(text, ",") {
		scope := Scope(strings.TrimSpace(field))
		if scope != "" && !slices.Contains(allScopes, scope) {
			return nil, fmt.Errorf("must be scopes among %s, separated by commas; %q is not one", allScopes, scope)
		}
		given[scope] = true
	}
	scopes := slices.DeleteFunc(slices.Clone(allScopes), func(s Scope) bool { return !given[s] })
	if len(scopes) == 0 {
		return nil, errors.New("must be one or more of " + allScopes.String() + ", separated by commas")
	}
	return scopes, nil
}

// ReadScopes parses stored scopes, as String writes them. A scope that only a newer version has is kept,
// and allows nothing in this version.
func ReadScopes(text string) Scopes {
	var scopes Scopes
	for field := range strings.SplitSeq(text, ",") {
		scopes = append(scopes, Scope(field))
	}
	return scopes
}

// String returns the scopes, separated by commas.
func (s Scopes) String() string {
	fields := make([]string, len(s))
	for i, scope := range s {
		fields[i] = string(scope)
	}
	return strings.Join(fields, ",")
}

// Allow reports whether the scopes include one of these, or ScopeAdmin.
func (s Scopes) Allow(anyOf ...Scope) bool {
	for _, scope := range s {
		if scope == ScopeAdmin || slices.Contains(anyOf, scope) {
			return true
		}
	}
	return false
}
