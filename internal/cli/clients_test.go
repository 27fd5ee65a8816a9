package cli

import (
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket/s3test"
	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
)

// The real clients, cabal and stack, on what the command mirrored.

// cabal returns a cabal that uses a mirror as its only repository.
func cabal(t *testing.T, s *shelf) *client {
	t.Helper()
	c := newClient(t, "cabal", "CABAL_DIR")
	c.configure("config",
		"repository mirror",
		"  url: "+s.address(),
		"  secure: True",
		"  root-keys:",
		"    "+strings.Join(s.keys, "\n    "),
		"  key-threshold: "+strconv.Itoa(s.threshold),
		"http-transport: plain-http",
		"remote-repo-cache: "+filepath.Join(c.root(), "packages"),
		"world-file: "+filepath.Join(c.root(), "world"),
		"logs-dir: "+filepath.Join(c.root(), "logs"),
		"installdir: "+filepath.Join(c.root(), "bin"),
	)
	return c
}

// stack returns a stack that uses a mirror as its only index.
func stack(t *testing.T, s *shelf) *client {
	t.Helper()
	c := newClient(t, "stack", "STACK_ROOT")
	c.configure("config.yaml",
		"system-ghc: true",
		"install-ghc: false",
		"package-indices:",
		"- download-prefix: "+s.address(),
		"  hackage-security:",
		"    keyids: ["+strings.Join(s.keys, ", ")+"]",
		"    key-threshold: "+strconv.Itoa(s.threshold),
		"    ignore-expiry: false",
	)
	c.configure("global-project/stack.yaml", "resolver: ghc-9.0.2", "packages: []")
	return c
}

// places are the ways in which readers reach a mirror.
var places = map[string]func(*pair, *testing.T) *shelf{"S3": (*pair).shelf, "folder": (*pair).folderShelf}

func TestCabalFollowsTheMirror(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	clients, shelves := map[string]*client{}, map[string]*shelf{}
	for place, open := range places {
		shelves[place] = open(p, t)
		clients[place] = cabal(t, shelves[place])
		clients[place].run("update", "-v1")
		before := clients[place].run("list", "--simple-output")
		p.says(before, "Boolean 0.2.4", "random 1.2.1.1")
		if strings.Contains(before, "split 0.2.5") {
			t.Errorf("%s: cabal knows a release before it was mirrored: %s", place, before)
		}
	}
	p.mirror("2")
	ix := readOldIndex(t, p.path("upstream/01-index.tar.gz"))
	for place := range places {
		c, s := clients[place], shelves[place]
		s.Reset()
		c.run("update", "-v1")
		asked := s.of("01-index.tar.gz")
		if len(asked) != 1 || !strings.HasPrefix(asked[0].Header.Get("Range"), "bytes=") {
			t.Errorf("%s: cabal asked for the index by %+v, not by one range", place, asked)
		}
		p.says(c.run("list", "--simple-output"), "split 0.2.5", "async 2.2.5")
		c.run("get", "Boolean", "-d", c.path("plain"))
		c.holds("plain/Boolean-0.2.4/Boolean.cabal", ix.cabals()["package/Boolean-0.2.4/Boolean.cabal"])
		c.run("get", "random-1.2.1.1", "-d", c.path("revised"))
		c.holds("revised/random-1.2.1.1/random.cabal", ix.cabals()["package/random-1.2.1.1/revision/2.cabal"])
		c.run("get", "--pristine", "random-1.2.1.1", "-d", c.path("pristine"))
		c.holds("pristine/random-1.2.1.1/random.cabal", ix.cabals()["package/random-1.2.1.1/revision/0.cabal"])
		c.run("get", "split", "-d", c.path("preferred"))
		readFile(t, c.path("preferred/split-0.2.3.5/split.cabal")) // not the newest, which is not preferred
	}
}

func TestStackFollowsTheMirror(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	clients, shelves := map[string]*client{}, map[string]*shelf{}
	for place, open := range places {
		shelves[place] = open(p, t)
		clients[place] = stack(t, shelves[place])
		clients[place].run("update")
		clients[place].refuses("split-0.2.5", "unpack", "split-0.2.5", "--to", clients[place].path("early"))
	}
	p.mirror("2")
	ix := readOldIndex(t, p.path("upstream/01-index.tar.gz"))
	for place := range places {
		c, s := clients[place], shelves[place]
		s.Reset()
		c.run("update")
		asked := s.of("01-index.tar.gz")
		if len(asked) != 1 || !strings.HasPrefix(asked[0].Header.Get("Range"), "bytes=") {
			t.Errorf("%s: stack asked for the index by %+v, not by one range", place, asked)
		}
		c.run("unpack", "split-0.2.5", "random-1.2.1.1@rev:0", "--to", c.path("first"))
		c.holds("first/split-0.2.5/split.cabal", ix.cabals()["package/split-0.2.5/split.cabal"])
		c.holds("first/random-1.2.1.1/random.cabal", ix.cabals()["package/random-1.2.1.1/revision/0.cabal"])
		c.run("unpack", "random-1.2.1.1@rev:2", "--to", c.path("last"))
		c.holds("last/random-1.2.1.1/random.cabal", ix.cabals()["package/random-1.2.1.1/revision/2.cabal"])
	}
}

func TestClientsAcceptEachReferenceGeneration(t *testing.T) {
	t.Parallel()
	m := referenceMirrored(t)
	w := newWorld(t, hackagetest.New(hackagetest.Options{}))
	c := w.cloud(s3test.Start(t))
	s := newShelf(s3test.NewWatch(t, c.server.URL), "/"+c.name+"/")
	s.keys, s.threshold = m.keys, m.threshold
	ofCabal, ofStack := cabal(t, s), stack(t, s)
	for _, generation := range m.generations {
		m.write(generation, w.path("upstream"))
		w.fill(CodeDone, m.args(w.path("upstream"), c.address())...)
		ix := readOldIndex(t, w.path("upstream/01-index.tar.gz"))
		newest := ix.releases[len(ix.releases)-1]
		pkg := newest[:strings.LastIndexByte(newest, '-')]
		ofCabal.run("update", "-v1")
		ofCabal.run("get", newest, "-d", ofCabal.path(generation))
		ofStack.run("update")
		ofStack.run("unpack", newest, "--to", ofStack.path(generation))
		for _, client := range []*client{ofCabal, ofStack} {
			client.holds(generation+"/"+newest+"/"+pkg+".cabal", ix.cabals()["package/"+newest+"/"+pkg+".cabal"])
		}
	}
}

// metadata are the files of a generation that clients verify.
var metadata = []string{"timestamp.json", "snapshot.json", "mirrors.json", "root.json", "01-index.tar.gz"}

func TestClientsRefuseADamagedMirror(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	p.mirror("2")
	for name, open := range map[string]func(*testing.T, *shelf) *client{"cabal": cabal, "stack": stack} {
		get, update := []string{"get", "-d", "out", "split-0.2.5"}, []string{"update", "-v1"}
		flip, missing := "Invalid hash for <repo>/package/split-0.2.5.tar.gz", "Unexpected response 404"
		if name == "stack" {
			get, update = []string{"unpack", "--to", "out", "split-0.2.5"}, []string{"update"}
			flip, missing = "Mismatched SHA256 hash", "404"
		}
		t.Run(name+" and a flipped byte", func(t *testing.T) {
			s := p.shelf(t)
			c := open(t, s)
			c.run(update...)
			s.show("package/split-0.2.5.tar.gz", flipped(t, "split-0.2.5"))
			c.refuses(flip, get...)
		})
		t.Run(name+" and a missing tarball", func(t *testing.T) {
			s := p.shelf(t)
			c := open(t, s)
			c.run(update...)
			s.show("package/split-0.2.5.tar.gz", nil)
			c.refuses(missing, get...)
		})
		t.Run(name+" and a torn set", func(t *testing.T) {
			s := p.shelf(t)
			s.show("01-index.tar.gz", demoFile(t, "gen1/01-index.tar.gz"))
			open(t, s).refuses("Invalid hash for <repo>/01-index.tar.gz", update...)
		})
		t.Run(name+" and a rollback", func(t *testing.T) {
			s := p.shelf(t)
			c := open(t, s)
			c.run(update...)
			for _, file := range metadata {
				s.show(file, demoFile(t, "gen1/"+file))
			}
			c.refuses("Version of <repo>/timestamp.json is less than the previous version", update...)
		})
	}
}
