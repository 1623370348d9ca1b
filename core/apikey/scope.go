package apikey

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Scope is something that a key lets its owner do.
type Scope string

// The scopes.
const (
	ScopePay   Scope = "pay"   // charge orders, and look at what became of them
	ScopeRead  Scope = "read"  // list payments, look at them, and scrape the metrics
	ScopeAdmin Scope = "admin" // everything, now and in later versions
)

// allScopes are in the order in which they are written.
var allScopes = Scopes{ScopePay, ScopeRead, ScopeAdmin}

// Scopes is what a key lets its owner do: each scope once.
type Scopes []Scope

// ParseScopes reads scopes that are separated by commas. The error is a sentence that says what to
// change.
func ParseScopes(text string) (Scopes, error) {
	given := make(map[Scope]bool)
	for word := range strings.SplitSeq(text, ",") {
		scope := Scope(strings.TrimSpace(word))
		if scope != "" && !slices.Contains(allScopes, scope) {
			return nil, fmt.Errorf("must be some of %s, separated by commas, and %q is none", allScopes, scope)
		}
		given[scope] = true
	}
	scopes := slices.DeleteFunc(slices.Clone(allScopes), func(s Scope) bool { return !given[s] })
	if len(scopes) == 0 {
		return nil, errors.New("must be one or more of " + allScopes.String() + ", separated by commas")
	}
	return scopes, nil
}

// ReadScopes reads what String has written, be it of a newer version: a scope that is not known here
// allows nothing here.
func ReadScopes(text string) Scopes {
	var scopes Scopes
	for word := range strings.SplitSeq(text, ",") {
		scopes = append(scopes, Scope(word))
	}
	return scopes
}

// String returns the scopes with commas between.
func (s Scopes) String() string {
	words := make([]string, len(s))
	for i, scope := range s {
		words[i] = string(scope)
	}
	return strings.Join(words, ",")
}

// Allow reports whether the scopes let their owner do what needs one of these.
func (s Scopes) Allow(anyOf ...Scope) bool {
	for _, scope := range s {
		if scope == ScopeAdmin || slices.Contains(anyOf, scope) {
			return true
		}
	}
	return false
}
