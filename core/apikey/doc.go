// Package apikey is the domain of API keys: what one is made of, what it lets its owner do, and by
// what it is known again. It does no I/O but to draw random bits.
//
// A key is shown to its owner once, when it is made, and stored as its SHA-256 alone. Hashes that
// are slow on purpose (bcrypt, Argon2) protect what people choose, which can be guessed. Nobody
// guesses 256 random bits, however fast a guess can be tried; and a key is checked at each request.
package apikey
