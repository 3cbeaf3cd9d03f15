package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/siftdb/siftdb"
)

// keyFile is the file that --keys names.
type keyFile struct {
	Current string            `json:"current"`
	Keys    map[string]string `json:"keys"` // each 64 hex digits
}

// openKeys reads the keyring of a file, nil when there is none. What it says of a faulty
// file holds no part of a key.
func openKeys(name string) (siftdb.Keyring, error) {
	if name == "" {
		return nil, nil
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var file keyFile
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if d.Decode(&file) != nil || d.More() {
		return nil, fmt.Errorf(`%s: a key file is {"current": NAME, "keys": {NAME: 64 hex digits}}`, name)
	}
	keys := make(map[string][]byte)
	for id, digits := range file.Keys {
		if keys[id], err = hex.DecodeString(digits); err != nil {
			return nil, fmt.Errorf("%s: key %q: %w", name, id, errNotHex)
		}
	}
	ring, err := siftdb.FixedKeys(file.Current, keys)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return ring, nil
}

var errNotHex = errors.New("it must be 64 hex digits")
