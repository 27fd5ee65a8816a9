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
func (s *state) files(form Form) map[string]*content {
	files := map[string]*content{}
	for r, known := range s.releases {
		if s.gone[r] == 0 {
			files[r.TarballKey()] = known.tarball
		}
	}
	if s.deprecated != nil {
		files[deprecated] = newContent(s.deprecated)
	}
	files[indexTar] = newIndex(s.entries)
	files[indexTarGz] = files[indexTar].compressed()
	vouched := []string{indexTarGz, indexTar, Root.file(), Mirrors.file()}
	if s.noTar {
		delete(files, indexTar)
		vouched = []string{indexTarGz, Root.file(), Mirrors.file()}
	}
	s.put(files, Root, "Root", s.rootBody())
	s.put(files, Mirrors, "Mirrorlist", s.mirrorsBody())
	s.put(files, Snapshot, "Snapshot", object{"meta": meta(files, form, vouched...)})
	s.put(files, Timestamp, "Timestamp", object{"meta": meta(files, form, Snapshot.file())})
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
	files[role.file()] = newContent(envelope(body, s.keys.signers(role)))
}

func (s *state) rootBody() object {
	keys, roles := object{}, object{}
	for role, owned := range s.keys.keys {
		for _, key := range owned {
			keys[keyID(key)] = publicKey(key)
		}
		threshold := 1
		if role == Root {
			threshold = rootThreshold
		}
		roles[string(role)] = object{"keyids": s.keys.ids(role), "threshold": threshold}
	}
	// A signature counts only if the file itself lists its key.
	for _, key := range s.keys.outgoing {
		keys[keyID(key)] = publicKey(key)
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
func meta(files map[string]*content, form Form, paths ...string) object {
	list := object{}
	for _, path := range paths {
		list["<repo>/"+path] = fileInfo(form, files[path])
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
