package app

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
)

const (
	minAPIKey = 16 // characters
	// apiKeyCharacters are those of a bearer token (RFC 6750, section 2.1).
	apiKeyCharacters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/="
	// maxKeysFile bounds the file of keys, in bytes.
	maxKeysFile = 64 << 10
)

func isAPIKey(text string) bool {
	return len(text) >= minAPIKey && strings.Trim(text, apiKeyCharacters) == ""
}

// apiKeys are secrets, separated by commas where they come from a flag or a variable. A space
// or a line feed around one, which files of secrets tend to have, is no part of it.
type apiKeys []string

// UnmarshalText is how kong reads them.
func (k *apiKeys) UnmarshalText(text []byte) error {
	*k = nil
	for key := range strings.SplitSeq(string(text), ",") {
		if key = strings.TrimSpace(key); key != "" {
			*k = append(*k, key)
		}
	}
	return nil
}

// String says how many there are, and nothing else.
func (k apiKeys) String() string { return fmt.Sprintf("%d keys", len(k)) }

// readKeysFile returns the keys in the file; none where it has no name. Its errors name the line,
// and never what is in it.
func readKeysFile(path string) (apiKeys, error) {
	if path == "" {
		return nil, nil
	}
	text, err := readBounded(path)
	if err != nil {
		return nil, err
	}
	var keys apiKeys
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		line, _, _ = strings.Cut(line, "#")
		var found apiKeys
		_ = found.UnmarshalText([]byte(line)) // never an error
		if slices.ContainsFunc(found, func(key string) bool { return !isAPIKey(key) }) {
			return nil, fmt.Errorf("%s:%d: must be a key of at least 16 characters, of letters, digits and -._~+/=, "+
				"or several separated by commas", path, number)
		}
		keys = append(keys, found...)
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("%s: must have at least one key", path)
	}
	return keys, nil
}

func readBounded(path string) ([]byte, error) {
	// A pipe would give its keys once, and hold up whoever opens it again.
	if info, err := os.Stat(path); err == nil && info.Mode().Type() != 0 && !info.IsDir() {
		return nil, fmt.Errorf("must be a file that can be read again and again, and %s is a pipe or a device", path)
	}
	file, err := os.Open(path) //nolint:gosec // whoever starts the service names it
	if err != nil {
		return nil, errors.New("must be a file that can be read: " + err.Error())
	}
	defer func() { _ = file.Close() }()
	text, err := io.ReadAll(io.LimitReader(file, maxKeysFile+1))
	if err != nil {
		return nil, errors.New("must be a file that can be read: " + err.Error())
	}
	if len(text) > maxKeysFile {
		return nil, fmt.Errorf("%s: must have at most %d bytes", path, maxKeysFile)
	}
	return text, nil
}

// staticKeys are the keys of the configuration, of which the ones in the file may change.
type staticKeys struct {
	cfg    Config
	log    *slog.Logger
	inFile apiKeys
	wrong  string // what was wrong with the file at the last look
}

// all reads the file again: it is small, and read every other second. A file that cannot be read, or
// has something else than keys in it, changes nothing: it may be half written.
func (s *staticKeys) all() []string {
	keys, err := readKeysFile(s.cfg.APIKeysFile)
	switch {
	case err == nil:
		if s.inFile != nil && !slices.Equal(s.inFile, keys) {
			s.log.Info("the file of API keys has changed", "api_keys", len(keys))
		}
		s.inFile, s.wrong = keys, ""
	case err.Error() != s.wrong:
		s.log.Error("the file of API keys is wrong; the keys that it had stay in force", "error", err)
		s.wrong = err.Error()
	}
	return slices.Concat(s.cfg.APIKeys, s.inFile)
}
