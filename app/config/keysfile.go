package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

const (
	minAPIKey = 16 // characters
	// apiKeyCharacters may occur in a bearer token (RFC 6750, section 2.1).
	apiKeyCharacters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/="
	// maxKeysFile bounds the file of keys, in bytes.
	maxKeysFile = 64 << 10
)

func isAPIKey(text string) bool {
	return len(text) >= minAPIKey && strings.Trim(text, apiKeyCharacters) == ""
}

// apiKeys are secrets, separated by commas in a flag or a variable; none if that is blank. White space
// around a key is ignored, because files of secrets often end with a line feed. Validate refuses an
// empty key.
type apiKeys []string

// UnmarshalText implements encoding.TextUnmarshaler; kong calls it.
func (k *apiKeys) UnmarshalText(text []byte) error {
	*k = nil
	if strings.TrimSpace(string(text)) == "" {
		return nil
	}
	for key := range strings.SplitSeq(string(text), ",") {
		*k = append(*k, strings.TrimSpace(key))
	}
	return nil
}

// String returns the number of keys, because the keys are secret.
func (k apiKeys) String() string { return fmt.Sprintf("%d keys", len(k)) }

// ReadKeysFile returns the keys in the file; none if the path is empty. Its errors name the line but do
// not quote it.
func ReadKeysFile(path string) ([]string, error) {
	if path == "" {
		return nil, nil
	}
	text, err := readBounded(path)
	if err != nil {
		return nil, err
	}
	var keys []string
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		line, _, _ = strings.Cut(line, "#")
		for key := range strings.SplitSeq(line, ",") { // an element may be empty, such as the last of a line
			if key = strings.TrimSpace(key); key == "" {
				continue
			}
			if !isAPIKey(key) {
				return nil, fmt.Errorf("%s:%d: must be a key of at least 16 characters, of letters, digits and -._~+/=, "+
					"or several separated by commas", path, number)
			}
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("%s: must have at least one key", path)
	}
	return keys, nil
}

func readBounded(path string) ([]byte, error) {
	// A pipe delivers its keys once and blocks the next reader.
	if info, err := os.Stat(path); err == nil && info.Mode().Type() != 0 && !info.IsDir() {
		return nil, fmt.Errorf("must be a file that can be read again and again, and %s is a pipe or a device", path)
	}
	file, err := os.Open(path) //nolint:gosec // the operator names it
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
