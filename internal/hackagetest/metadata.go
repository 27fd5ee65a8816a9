package hackagetest

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/index"
)

// Paths of a repository.
const (
	indexTar   = "01-index.tar"
	indexTarGz = "01-index.tar.gz"
	deprecated = "packages/deprecated.json"
)

// object is a JSON object.
type object = map[string]any

// canonical returns the canonical JSON of a value: encoding/json sorts keys by their
// bytes and writes no white space, and escapes nothing but the quotation mark and the
// backslash where texts have no control characters.
func canonical(v any) []byte {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic("hackagetest: " + err.Error())
	}
	return bytes.TrimSuffix(out.Bytes(), []byte{'\n'})
}

// files renders the whole repository.
func (s *state) files() map[string]*content {
	files := map[string]*content{}
	for r, known := range s.releases {
		if known.gone == 0 {
			files[r.TarballKey()] = known.tarball
		}
	}
	if s.deprecated != nil {
		files[deprecated] = newContent(s.deprecated)
	}
	files[indexTar] = newTar(s.entries...)
	files[indexTarGz] = files[indexTar].compressed()
	vouched := []string{indexTarGz, indexTar, Root.file(), Mirrors.file()}
	if s.noTar {
		delete(files, indexTar)
		vouched = []string{indexTarGz, Root.file(), Mirrors.file()}
	}
	s.put(files, Root, "Root", s.rootBody())
	s.put(files, Mirrors, "Mirrorlist", s.mirrorsBody())
	s.put(files, Snapshot, "Snapshot", object{"meta": s.meta(files, vouched...)})
	s.put(files, Timestamp, "Timestamp", object{"meta": s.meta(files, Snapshot.file())})
	return files
}

// put signs a role's file and adds it to files.
func (s *state) put(files map[string]*content, role Role, kind string, body object) {
	body["_type"] = kind
	body["version"] = s.version[role]
	body["expires"] = nil
	if at := s.expires[role]; !at.IsZero() {
		body["expires"] = at.Format(time.RFC3339)
	}
	files[role.file()] = newContent(envelope(body, s.signers(role)))
}

func (s *state) rootBody() object {
	keys, roles := object{}, object{}
	for _, role := range []Role{Root, Timestamp, Snapshot, Mirrors, targets} {
		// A signature counts only if the file itself lists its key.
		for _, key := range s.signers(role) {
			keys[keyID(key)] = publicKey(key)
		}
		threshold := 1
		if role == Root {
			threshold = rootThreshold
		}
		roles[string(role)] = object{"keyids": ids(s.keys(role)), "threshold": threshold}
	}
	return object{"keys": keys, "roles": roles}
}

func (s *state) mirrorsBody() object {
	list := []any{}
	for _, address := range s.mirrors {
		list = append(list, object{"urlbase": address})
	}
	return object{"mirrors": list}
}

// meta lists what a file vouches for.
func (s *state) meta(files map[string]*content, paths ...string) object {
	list := object{}
	for _, path := range paths {
		list["<repo>/"+path] = fileInfo(s.options.Form, files[path])
	}
	return list
}

// fileInfo is the JSON of a file's length and digests.
func fileInfo(form Form, c *content) object {
	digests := object{"sha256": hex.EncodeToString(c.sha256[:])}
	if form == Real {
		digests["md5"] = hex.EncodeToString(c.md5[:])
	}
	return object{"length": c.size, "hashes": digests}
}

// packageJSON is the index's word on a tarball.
func packageJSON(r index.Release, known release) []byte {
	return canonical(object{
		"signatures": []any{},
		"signed": object{
			"_type":   "Targets",
			"expires": nil,
			"targets": object{"<repo>/" + r.TarballKey(): fileInfo(known.form, known.tarball)},
			"version": known.targets,
		},
	})
}
