package main

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/index"
)

// The first day of what is made up, and how many seconds it lasts.
var firstDay = time.Date(2015, 4, 13, 0, 0, 0, 0, time.UTC)

const seconds = 3480 * 24 * 60 * 60

// A planned is a change of a package of which only the time is known.
type planned struct {
	at                int64
	pkg, version, rev int // rev is -1 for preferred-versions
}

// madeUp returns the changes that lead to so many releases, in the order of their time
// and in the shape that Hackage had in October 2024: a package has 4 versions in the
// median and 7.9 in the mean, every fifth release has revisions, a .cabal file is
// of 2.4 kB in the median and of 3.5 kB in the mean and like that of the version before,
// every sixth package has preferred-versions. All of it are 141,641 releases of 17,974
// packages. The same number gives the same changes.
func madeUp(releases int) iter.Seq2[change, error] {
	var plan []planned
	var packages []*pkg
	for left := releases; left > 0; {
		random := rand.New(rand.NewPCG(1, uint64(len(packages))))
		n := min(left, max(1, int(lognormal(random, 4, 1.18)+.5)))
		plan = append(plan, planPackage(random, len(packages), n)...)
		packages = append(packages, &pkg{name: fmt.Sprint("pkg", len(packages)), random: random})
		left -= n
	}
	slices.SortStableFunc(plan, func(a, b planned) int { return int(a.at - b.at) })
	return func(yield func(change, error) bool) {
		for _, p := range plan {
			if !yield(packages[p.pkg].change(p), nil) {
				return
			}
		}
	}
}

// planPackage returns when a package of n versions changes. Revisions come before the
// next version.
func planPackage(random *rand.Rand, pkg, n int) (plan []planned) {
	times := []int64{random.Int64N(seconds)}
	for range n - 1 {
		times = append(times, times[0]+random.Int64N(seconds-times[0]))
	}
	slices.Sort(times)
	times = append(times, seconds)
	for version, at := range times[:n] {
		plan = append(plan, planned{at, pkg, version, 0})
		for more := 0.2; random.Float64() < more; more = 0.29 {
			last := plan[len(plan)-1]
			plan = append(plan, planned{(last.at + times[version+1]) / 2, pkg, version, last.rev + 1})
		}
	}
	if random.Float64() < 0.18 {
		plan = append(plan, planned{seconds, pkg, n - 1, -1})
	}
	return plan
}

// A pkg is a package at its newest version.
type pkg struct {
	name         string
	random       *rand.Rand
	words, lines []string
}

// change returns the next change of the package.
func (p *pkg) change(next planned) change {
	c := change{time: firstDay.Add(time.Duration(next.at) * time.Second), release: index.Release{Package: p.name}}
	version := fmt.Sprintf("0.%d.%d", next.version/8, next.version%8)
	if next.rev < 0 {
		c.text = []byte(p.name + " <" + version)
		return c
	}
	if p.lines == nil {
		p.write()
	}
	for range 1 + p.random.IntN(3) {
		p.edit()
	}
	c.release.Version = version
	p.lines[2] = "version:             " + version
	lines := p.lines
	if next.rev > 0 {
		lines = slices.Insert(slices.Clone(lines), 3, fmt.Sprint("x-revision:          ", next.rev))
	}
	end := "\n"
	if next.pkg%7 == 0 {
		end = "\r\n"
	}
	c.text = []byte(strings.Join(lines, end) + end)
	return c
}

// write makes up the .cabal file.
func (p *pkg) write() {
	p.lines = []string{
		"cabal-version:       2.2", "name:                " + p.name, "", "synopsis:            " + p.sentence(5),
		"description:         " + p.sentence(8), "                     " + p.sentence(10),
		"homepage:            https://" + p.word() + ".org/" + p.name + "#readme", "license:             BSD-3-Clause",
		"license-file:        LICENSE", "author:              " + p.sentence(2), "maintainer:          " + p.word() + "@" + p.word() + ".org",
		"category:            " + p.word(), "build-type:          Simple", "extra-source-files:  README.md", "", "library",
	}
	for left := int(lognormal(p.random, 2000, 0.85)) - 700; ; {
		from := len(p.lines)
		p.lines = append(p.lines, "  hs-source-dirs:    src", "  default-language:  Haskell2010", "  ghc-options:       -Wall", "  other-modules:")
		for range 1 + p.random.IntN(12) {
			p.lines = append(p.lines, "    "+p.word()+"."+p.word()+"."+p.word())
		}
		p.lines = append(p.lines, "  build-depends:", "      base >=4.7 && <5")
		for range 1 + p.random.IntN(14) {
			p.lines = append(p.lines, p.dependency())
		}
		for _, line := range p.lines[from:] {
			left -= len(line) + 1
		}
		if left <= 0 {
			return
		}
		p.lines = append(p.lines, "", "test-suite "+p.word(), "  type:              exitcode-stdio-1.0", "  main-is:           Main.hs")
	}
}

// edit changes what a dependency may be, and sometimes adds a module.
func (p *pkg) edit() {
	at := 0
	for !strings.HasPrefix(p.lines[at], "    , ") {
		at = p.random.IntN(len(p.lines))
	}
	p.lines[at] = p.dependency()
	if p.random.IntN(5) == 0 {
		p.lines = slices.Insert(p.lines, slices.Index(p.lines, "  build-depends:"), "    "+p.word()+"."+p.word())
	}
}

// What made-up packages depend on, and what their words are made of.
var (
	libraries = strings.Fields("aeson async binary bytestring conduit containers deepseq directory exceptions filepath hashable hspec http-types lens mtl network process QuickCheck random scientific stm tasty template-haskell text time transformers unix unordered-containers vector warp")
	syllables = strings.Fields("Da ta Co re Ser ver Pa rse Mon ad Li st Gra ph Tex t Net Lo gic Ma th Sto re Que ry Ty pe Con duit Stre am Fo ld Zi p Ja son Ya ml He ap Tra it")
)

// dependency returns a line of one.
func (p *pkg) dependency() string {
	from := p.random.IntN(12)
	return fmt.Sprintf("    , %s >=%d.%d && <%d.%d", libraries[p.random.IntN(len(libraries))], from/8, from, from/8, from+1+p.random.IntN(3))
}

// word returns one of the few that the package uses, or a new one.
func (p *pkg) word() string {
	const few = 12
	if at := p.random.IntN(few + 1); at < len(p.words) {
		return p.words[at]
	}
	var word string
	for range 1 + p.random.IntN(3) {
		word += syllables[p.random.IntN(len(syllables))]
	}
	if len(p.words) < few {
		p.words = append(p.words, word)
	}
	return word
}

// sentence returns some words.
func (p *pkg) sentence(words int) string {
	text := p.word()
	for range words - 1 {
		text += " " + p.word()
	}
	return text
}
