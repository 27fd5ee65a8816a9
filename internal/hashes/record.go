package hashes

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/hackage-mirror/hackage-mirror/internal/index"
)

// The names of the digests in a record.
const (
	nameMD5      = "MD5"
	nameSHA1     = "SHA1"
	nameSHA256   = "SHA256"
	nameSHA512   = "SHA512"
	nameSkein512 = "Skein512_512"
)

// digestBytes says how long each digest is in bytes.
var digestBytes = map[string]int{nameMD5: 16, nameSHA1: 20, nameSHA256: 32, nameSHA512: 64, nameSkein512: 64}

// JSON returns the record of a tarball that the locations offer, in the
// form that the package comment shows.
func (d Digests) JSON(locations ...string) []byte {
	if locations == nil {
		locations = []string{} // not null
	}
	type hashes struct {
		MD5, SHA1, SHA256, SHA512 string
		Skein512                  string `json:"Skein512_512"`
	}
	text := hex.EncodeToString
	record := struct {
		Hashes    hashes   `json:"package-hashes"`
		Locations []string `json:"package-locations"`
		Size      int64    `json:"package-size"`
	}{hashes{text(d.MD5[:]), text(d.SHA1[:]), text(d.SHA256[:]), text(d.SHA512[:]), text(d.Skein512[:])}, locations, d.Size}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // an address may have an ampersand
	if err := e.Encode(record); err != nil {
		panic("hashes: strings and numbers have a JSON form: " + err.Error())
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// Locations returns where the tarball of a release is available: at Hackage, and
// at the mirror whose public address is given, if it is not empty.
func Locations(r index.Release, mirror string) []string {
	locations := []string{"https://hackage.haskell.org/package/" + r.String() + "/" + r.String() + ".tar.gz"}
	if mirror != "" {
		locations = append(locations, strings.TrimRight(mirror, "/")+"/"+r.TarballKey())
	}
	return locations
}

// A Record is what a JSON file of any of the three forms says.
type Record struct {
	// Hashes has each digest by its name, also by names not known here.
	Hashes    map[string]string
	Locations []string
	// Size is that of the tarball in bytes, -1 where the file lacks it.
	Size int64
	// Further says that the file has a field or a digest that none of the
	// three forms has.
	Further bool
}

// ErrRecord is wrapped by every refusal of a record.
var ErrRecord = errors.New("not a record of hashes")

// Parse reads a record of any form. Digests with a name that is known must be
// lower-case hexadecimal of the right length, and no name may come twice. Other
// digests and other fields are let pass, as later forms may have them.
func Parse(raw []byte) (Record, error) {
	p := parser{json.NewDecoder(bytes.NewReader(raw))}
	r, err := p.record()
	if err != nil {
		return Record{}, fmt.Errorf("read hashes: %w: %w", ErrRecord, err)
	}
	return r, nil
}

// SHA256 returns the digest that is there in every form.
func (r Record) SHA256() ([sha256.Size]byte, error) {
	raw, err := hex.DecodeString(r.Hashes[nameSHA256])
	if err != nil || len(raw) != sha256.Size {
		return [sha256.Size]byte{}, fmt.Errorf("read %s: %w: %.80q", nameSHA256, ErrRecord, r.Hashes[nameSHA256])
	}
	return [sha256.Size]byte(raw), nil
}

// Speaks reports whether a record that somebody else wrote can be left as it is:
// whether it has the form of a release's record, and agrees with all that the
// signed index says of the tarball. An MD5 of zeros is one that the index lacks.
// What the index does not say (SHA1, SHA512, Skein512_512) is not known here.
func (r Record) Speaks(of index.Release, target index.Target, sum [md5.Size]byte) bool {
	if r.Further || !r.located(of) || r.Size >= 0 && r.Size != target.Length {
		return false
	}
	if sum != ([md5.Size]byte{}) && !r.says(nameMD5, sum[:]) {
		return false
	}
	return r.Hashes[nameSHA256] == hex.EncodeToString(target.SHA256[:])
}

// Agrees reports whether a record says of a tarball what was found out of it,
// and no more.
func (r Record) Agrees(of index.Release, d Digests) bool {
	target := index.Target{Length: d.Size, SHA256: d.SHA256}
	return r.Speaks(of, target, d.MD5) && r.says(nameSHA1, d.SHA1[:]) &&
		r.says(nameSHA512, d.SHA512[:]) && r.says(nameSkein512, d.Skein512[:])
}

// says reports whether a digest is the one of a name, if the record has that.
func (r Record) says(name string, digest []byte) bool {
	text, there := r.Hashes[name]
	return !there || text == hex.EncodeToString(digest)
}

// located reports whether the locations have the form of the records: first
// Hackage's own address, then those of mirrors in the same layout.
func (r Record) located(of index.Release) bool {
	for i, text := range r.Locations {
		u, err := url.Parse(text)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			return false
		}
		long := strings.HasSuffix(u.Path, "/package/"+of.String()+"/"+of.String()+".tar.gz")
		if !long && !strings.HasSuffix(u.Path, "/"+of.TarballKey()) || i == 0 && u.Host != "hackage.haskell.org" {
			return false
		}
	}
	return len(r.Locations) > 0
}

// A parser reads JSON by tokens: encoding/json on its own takes the last of two
// equal names, and a name of another case.
type parser struct{ *json.Decoder }

func (p parser) record() (Record, error) {
	r := Record{Size: -1}
	err := p.object(func(key string) (err error) {
		switch key {
		case "package-hashes":
			r.Hashes, err = p.hashes(&r.Further)
		case "package-locations":
			err = p.Decode(&r.Locations)
		case "package-size":
			r.Size, err = p.size()
		default:
			var skipped json.RawMessage
			r.Further, err = true, p.Decode(&skipped)
		}
		return err
	})
	switch {
	case err != nil:
		return Record{}, err
	case r.Hashes[nameSHA256] == "":
		return Record{}, fmt.Errorf("no %s", nameSHA256)
	}
	if _, err := p.Token(); err != io.EOF {
		return Record{}, errors.New("text after the record")
	}
	return r, nil
}

// object calls field at the value of each name of an object.
func (p parser) object(field func(key string) error) error {
	if t, err := p.Token(); err != nil || t != json.Delim('{') {
		return errors.Join(errors.New("not an object"), err)
	}
	seen := make(map[string]bool)
	for p.More() {
		t, err := p.Token()
		if err != nil {
			return err
		}
		key, _ := t.(string)
		if seen[key] {
			return fmt.Errorf("%.80q comes twice", key)
		}
		seen[key] = true
		if err := field(key); err != nil {
			return fmt.Errorf("%.80q: %w", key, err)
		}
	}
	_, err := p.Token() // the closing brace
	return err
}

func (p parser) hashes(further *bool) (map[string]string, error) {
	hashes := make(map[string]string)
	err := p.object(func(name string) error {
		t, err := p.Token()
		if err != nil {
			return err
		}
		text, ok := t.(string)
		if !ok {
			return errors.New("not text")
		}
		hashes[name] = text
		n, known := digestBytes[name]
		*further = *further || !known
		if known && (len(text) != 2*n || strings.Trim(text, "0123456789abcdef") != "") {
			return fmt.Errorf("%.150q is not %d lower-case hexadecimal digits", text, 2*n)
		}
		return nil
	})
	return hashes, err
}

func (p parser) size() (int64, error) {
	var size *int64 // nil for null, which Decode lets pass
	if err := p.Decode(&size); err != nil {
		return 0, err
	}
	if size == nil || *size < 0 {
		return 0, errors.New("not a size in bytes")
	}
	return *size, nil
}
