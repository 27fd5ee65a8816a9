package hackagetest

import (
	"archive/tar"
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/index"
)

// An UploadOption says how an upload differs from the usual.
type UploadOption func(*release)

// Unsigned leaves package.json out, as some early uploads to Hackage did. It
// can be added by AddTargets.
func Unsigned() UploadOption { return func(r *release) { r.unsigned = true } }

// Padded puts zeros behind the tarball's bytes, up to a size. They are made while
// they are read and never held in memory.
func Padded(size int64) UploadOption {
	return func(r *release) { r.tarball = newPadded(r.tarball.raw, size) }
}

// In writes the release's index entries in the given form.
func In(form Form) UploadOption { return func(r *release) { r.form = form } }

// Upload adds a release. A nil cabal stands for a small .cabal file, a nil
// tarball for a small sdist with cabal in it; otherwise the bytes are taken as
// they are, unread.
func (h *Hackage) Upload(name, version string, cabal, tarball []byte, how ...UploadOption) index.Release {
	r := index.Release{Package: name, Version: version}
	if cabal == nil {
		cabal = plainCabal(r)
	}
	if tarball == nil {
		tarball = Sdist(r, cabal)
	}
	h.change(Snapshot, func(s *state) {
		if _, ok := s.releases[r]; ok {
			panic(fmt.Sprintf("hackagetest: release %s was uploaded before; use Revise or Replace", r))
		}
		known := release{form: s.options.Form, tarball: newContent(slices.Clone(tarball))}
		for _, option := range how {
			option(&known)
		}
		if known.form == Reference {
			known.targets = 1
		}
		s.releases[r] = known
		if known.form == Reference && !known.unsigned {
			s.addTargets(r)
		}
		s.addFile(r.CabalPath(), known.form, "uploader", cabal)
		if known.form == Real && !known.unsigned {
			s.addTargets(r)
		}
	})
	return r
}

// AddTargets adds the package.json of a release that has none yet, or repeats
// it as it is.
func (h *Hackage) AddTargets(name, version string) {
	r := index.Release{Package: name, Version: version}
	h.change(Snapshot, func(s *state) { s.addTargets(r) })
}

// Revise adds the next revision of a release's .cabal file.
func (h *Hackage) Revise(name, version string, cabal []byte) {
	r := index.Release{Package: name, Version: version}
	h.change(Snapshot, func(s *state) { s.addFile(r.CabalPath(), s.mustHave(r).form, "trustee", cabal) })
}

// Prefer sets a package's preferred-versions, such as "foo <2"; the empty text
// takes the constraint away.
func (h *Hackage) Prefer(name, text string) {
	h.change(Snapshot, func(s *state) {
		s.addFile(name+"/preferred-versions", s.options.Form, "trustee", []byte(text))
	})
}

// Replace gives a release other bytes under the same version, as Hackage had to
// do once: package.json is repeated with its version one higher. A tarball that
// was withdrawn is back by it.
func (h *Hackage) Replace(name, version string, tarball []byte) {
	r := index.Release{Package: name, Version: version}
	h.change(Snapshot, func(s *state) {
		known := s.mustHave(r)
		known.tarball = newContent(slices.Clone(tarball))
		known.targets++
		known.gone = 0
		s.releases[r] = known
		s.addTargets(r)
	})
}

// Withdraw takes a release's tarball away: the status is what HTTP says from
// now on (404, 410 or 451), a folder just lacks the file. The index does not
// change.
func (h *Hackage) Withdraw(name, version string, status int) {
	if http.StatusText(status) == "" || status < 400 {
		panic(fmt.Sprintf("hackagetest: withdraw with status %d", status))
	}
	h.setGone(index.Release{Package: name, Version: version}, status)
}

// Reinstate makes a withdrawn tarball be there again.
func (h *Hackage) Reinstate(name, version string) {
	h.setGone(index.Release{Package: name, Version: version}, 0)
}

func (h *Hackage) setGone(r index.Release, status int) {
	h.change("", func(s *state) {
		known := s.mustHave(r)
		known.gone = status
		s.releases[r] = known
	})
}

// Deprecate sets packages/deprecated.json, which the metadata do not cover; nil
// takes it away.
func (h *Hackage) Deprecate(raw []byte) {
	h.change("", func(s *state) { s.deprecated = slices.Clone(raw) })
}

// Raw appends any tar entry to the index, however odd. Of the header these
// count: Name (up to 255 bytes), Typeflag (0 is a file), Mode (0 is 0644),
// Linkname, Uid, Gid, Uname, Gname, ModTime (zero is the clock) and Size: if it
// is larger than the content, zeros follow.
func (h *Hackage) Raw(header tar.Header, content []byte) {
	h.change(Snapshot, func(s *state) { s.add(header, content) })
}

// RawBytes appends bytes to the index as they are, before the closing blocks:
// what no header of Raw can say. They should fill whole blocks of 512.
func (h *Hackage) RawBytes(raw []byte) {
	h.change(Snapshot, func(s *state) {
		s.entries = append(s.entries, entry{data: slices.Clone(raw), header: tar.Header{ModTime: s.now}})
	})
}

// Truncate signs an index that lacks its last n entries: shorter than one that
// was signed before, which must not happen.
func (h *Hackage) Truncate(n int) {
	h.change(Snapshot, func(s *state) {
		if n > len(s.entries) {
			panic(fmt.Sprintf("hackagetest: truncate %d of %d entries", n, len(s.entries)))
		}
		s.entries = slices.Clip(s.entries[:len(s.entries)-n])
	})
}

// Rewrite signs an index whose n-th entry, counted from 0 or from the end (-1),
// has its time moved by one second: the same length, another history.
func (h *Hackage) Rewrite(n int) {
	h.change(Snapshot, func(s *state) {
		if n < 0 {
			n += len(s.entries)
		}
		e := s.entries[n]
		e.header.ModTime = e.header.ModTime.Add(-time.Second)
		s.entries = slices.Clone(s.entries)
		s.entries[n] = newEntry(e.header, e.content)
	})
}

// OmitTar decides whether 01-index.tar is left out of the repository and of the
// snapshot, which may name only 01-index.tar.gz.
func (h *Hackage) OmitTar(omit bool) {
	h.change(Snapshot, func(s *state) { s.noTar = omit })
}

// addTargets appends a release's package.json to the index.
func (s *state) addTargets(r index.Release) {
	known := s.mustHave(r)
	s.addFile(r.Package+"/"+r.Version+"/package.json", known.form, "uploader", packageJSON(r, known))
}

// addFile appends a plain file to the index, owned as its form has it.
func (s *state) addFile(path string, form Form, owner string, content []byte) {
	header := tar.Header{Name: path}
	if form == Real {
		header.Uname, header.Gname = owner, "Hackage"
	}
	s.add(header, content)
}

// add appends an entry to the index; what Raw says of zero values holds.
func (s *state) add(header tar.Header, content []byte) {
	header.Typeflag, header.Mode = cmp.Or(header.Typeflag, tar.TypeReg), cmp.Or(header.Mode, 0o644)
	if header.ModTime.IsZero() {
		header.ModTime = s.now
	}
	s.entries = append(s.entries, newEntry(header, content))
}
