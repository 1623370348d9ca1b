// Package apikey is the domain of API keys: what a key consists of, what it allows, and how it is
// recognized. Its only I/O is to draw random bits.
//
// A key is shown to its owner once, when it is created, and only its SHA-256 is stored. Hashes that are
// slow on purpose (bcrypt, Argon2) protect secrets that people choose, because those can be guessed. 256
// random bits cannot be guessed at any speed, and a key is checked at each request.
package apikey
