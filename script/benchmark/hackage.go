package main

import (
	"archive/tar"
	"bufio"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"math/rand/v2"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
)

// A change is one that somebody made to Hackage: a release, a revision of its .cabal
// file, or the preferred-versions of a package, which belong to no version.
type change struct {
	time    time.Time
	release index.Release
	text    []byte
}

// readIndex returns the changes that a 01-index.tar tells of, plain or packed by gzip
// or zstd. Its package.json are left out: the tarballs here are others.
func readIndex(name string) iter.Seq2[change, error] {
	return func(yield func(change, error) bool) {
		file, err := os.Open(name)
		if err != nil {
			yield(change{}, err)
			return
		}
		defer func() { _ = file.Close() }() // only read
		plain, err := unpack(bufio.NewReaderSize(file, 1<<20))
		entries := tar.NewReader(plain)
		for err == nil {
			var header *tar.Header
			if header, err = entries.Next(); err != nil {
				break
			}
			c := change{time: header.ModTime}
			if parts := strings.Split(header.Name, "/"); len(parts) == 2 && parts[1] == "preferred-versions" {
				c.release.Package = parts[0]
			} else if len(parts) == 3 && path.Ext(parts[2]) == ".cabal" {
				c.release = index.Release{Package: parts[0], Version: parts[1]}
			} else {
				continue
			}
			if c.text, err = io.ReadAll(entries); err == nil && !yield(c, nil) {
				return
			}
		}
		if !errors.Is(err, io.EOF) {
			yield(change{}, fmt.Errorf("read index %q: %w", name, err))
		}
	}
}

// unpack returns what a packed index holds, known by its first bytes.
func unpack(packed *bufio.Reader) (io.Reader, error) {
	magic, err := packed.Peek(4)
	switch {
	case err != nil:
		return nil, err
	case string(magic[:2]) == "\x1f\x8b":
		return gzip.NewReader(packed)
	case string(magic) == "\x28\xb5\x2f\xfd":
		return zstd.NewReader(packed, zstd.WithDecoderMaxWindow(1<<27), zstd.WithDecoderConcurrency(1))
	}
	return packed, nil
}

// A hackage is an upstream that changes as Hackage does.
type hackage struct {
	*hackagetest.Hackage
	releases int
	samples  []change // of releases, from all over the index: what changes later
	updates  uint64
}

// newHackage returns a Hackage after the changes that lead to so many releases, or
// after all of them if 0.
func newHackage(changes iter.Seq2[change, error], releases int) (*hackage, error) {
	h, known := &hackage{}, map[index.Release]bool{}
	random := rand.New(rand.NewPCG(2, 0))
	for c, err := range changes {
		if err != nil {
			return nil, err
		}
		if h.Hackage == nil {
			h.Hackage = hackagetest.New(hackagetest.Options{Seed: "benchmark", Start: c.time})
			h.SetTick(0)
		}
		h.Advance(max(0, c.time.Sub(h.Now())))
		switch {
		case c.release.Version == "":
			h.Prefer(c.release.Package, string(c.text))
			continue
		case known[c.release]:
			h.Revise(c.release.Package, c.release.Version, c.text)
			continue
		case releases > 0 && h.releases == releases:
			return h, nil
		}
		known[c.release] = true
		h.upload(c, random)
	}
	if h.releases < max(1, releases) {
		return nil, fmt.Errorf("the index has %d releases, and %d are wanted", h.releases, max(1, releases))
	}
	return h, nil
}

// upload adds a release whose tarball has the size of one on Hackage: 12 kB in the
// median and 60 kB in the mean. All but its name are zeros, which nobody here packs.
func (h *hackage) upload(c change, random *rand.Rand) {
	size := int64(min(5<<20, lognormal(random, 12_000, 1.79)))
	h.Upload(c.release.Package, c.release.Version, c.text, []byte(c.release.String()), hackagetest.Padded(size))
	h.releases++
	if len(h.samples) < 1000 {
		h.samples = append(h.samples, c)
	} else if at := random.IntN(h.releases); at < len(h.samples) {
		h.samples[at] = c
	}
}

// lognormal returns a number that is often small and sometimes large.
func lognormal(random *rand.Rand, median, sigma float64) float64 {
	return median * math.Exp(sigma*random.NormFloat64())
}

// clone returns a Hackage that goes on from here by itself.
func (h *hackage) clone() *hackage {
	c := *h
	c.Hackage, c.samples = h.Clone(), slices.Clone(h.samples)
	return &c
}

// versionLine is that of a .cabal file.
var versionLine = regexp.MustCompile(`(?im)^version:[^\r\n]*`)

// update adds releases of known packages, of two entries each, and revisions of known
// releases, of one.
func (h *hackage) update(releases, revisions int) {
	h.SetTick(time.Minute)
	for i := range releases + revisions {
		h.updates++
		random := rand.New(rand.NewPCG(3, h.updates))
		c := h.samples[random.IntN(len(h.samples))]
		if i >= releases {
			h.Revise(c.release.Package, c.release.Version, fmt.Appendf(nil, "%s-- revision %d\n", c.text, h.updates))
			continue
		}
		c.release.Version = fmt.Sprintf("%s.%d", c.release.Version, 1000+h.updates)
		c.text = versionLine.ReplaceAll(c.text, []byte("version: "+c.release.Version))
		h.upload(c, random)
	}
}
