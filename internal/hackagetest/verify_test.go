package hackagetest_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// What follows is a second reader of the metadata, as plain as can be and with
// encoding/json, whose sorted output is canonical for the plain ASCII of these
// files. It does not check versions and expiry.

type signedFile struct {
	Signatures []struct{ Keyid, Method, Sig string }
	Signed     json.RawMessage
}

type metadata struct {
	Type    string `json:"_type"`
	Version int64
	Expires *time.Time
	Keys    map[string]json.RawMessage
	Roles   map[string]struct {
		Keyids    []string
		Threshold int
	}
	Meta map[string]struct {
		Length int64
		Hashes map[string]string
	}
	Mirrors []struct{ Urlbase string }
	Targets map[string]struct {
		Length int64
		Hashes map[string]string
	}
}

// resort renders JSON with sorted keys and without white space.
func resort(raw []byte) ([]byte, error) {
	var v any
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	if err := decoder.Decode(&v); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

// open checks that every signature of a file is good by a key that root lists,
// and that at least threshold of the wanted keys signed.
func open(raw []byte, keys map[string]json.RawMessage, wanted []string, threshold int) (metadata, error) {
	var file signedFile
	var m metadata
	if err := json.Unmarshal(raw, &file); err != nil {
		return m, err
	}
	message, err := resort(file.Signed)
	if err != nil {
		return m, err
	}
	if err := json.Unmarshal(file.Signed, &m); err != nil {
		return m, err
	}
	if keys == nil {
		keys = m.Keys
	}
	count := map[string]bool{}
	for _, s := range file.Signatures {
		var key struct{ Keyval struct{ Public []byte } }
		if err := json.Unmarshal(keys[s.Keyid], &key); err != nil {
			return m, fmt.Errorf("key %s: %w", s.Keyid, err)
		}
		canonical, err := resort(keys[s.Keyid])
		if err != nil {
			return m, err
		}
		if sum := sha256.Sum256(canonical); hex.EncodeToString(sum[:]) != s.Keyid {
			return m, errors.New("key id does not fit its key")
		}
		signature, err := base64.StdEncoding.DecodeString(s.Sig)
		if err != nil || !ed25519.Verify(key.Keyval.Public, message, signature) {
			return m, fmt.Errorf("bad signature by %s", s.Keyid)
		}
		if slices.Contains(wanted, s.Keyid) {
			count[s.Keyid] = true
		}
	}
	if len(count) < threshold {
		return m, fmt.Errorf("%d of %d wanted signatures", len(count), threshold)
	}
	return m, nil
}

// repository is what verify found in the metadata.
type repository struct{ root, timestamp, snapshot, mirrors metadata }

// verify reads a whole repository by pinned root keys.
func verify(file func(path string) []byte, pinned []string, threshold int) (r repository, err error) {
	if r.root, err = open(file("root.json"), nil, pinned, threshold); err != nil {
		return r, fmt.Errorf("root: %w", err)
	}
	for name, into := range map[string]*metadata{"timestamp": &r.timestamp, "snapshot": &r.snapshot, "mirrors": &r.mirrors} {
		role := r.root.Roles[name]
		if *into, err = open(file(name+".json"), r.root.Keys, role.Keyids, role.Threshold); err != nil {
			return r, fmt.Errorf("%s: %w", name, err)
		}
	}
	types := []string{r.root.Type, r.timestamp.Type, r.snapshot.Type, r.mirrors.Type}
	if !slices.Equal(types, []string{"Root", "Timestamp", "Snapshot", "Mirrorlist"}) {
		return r, fmt.Errorf("types %q", types)
	}
	for _, m := range []metadata{r.timestamp, r.snapshot} {
		if len(m.Meta) == 0 {
			return r, errors.New("a file that vouches for none")
		}
		for path, want := range m.Meta {
			raw := file(path[len("<repo>/"):])
			sum := sha256.Sum256(raw)
			if int64(len(raw)) != want.Length || hex.EncodeToString(sum[:]) != want.Hashes["sha256"] {
				return r, fmt.Errorf("%s is not what was signed", path)
			}
		}
	}
	return r, nil
}
