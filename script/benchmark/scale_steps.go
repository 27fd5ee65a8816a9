package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
)

// How the index grows at each size: by a few entries and by one in each round,
// and once by many.
const (
	fewEntries  = 50
	oneEntry    = 1
	manyEntries = 5000
)

// The shares of an index, in hundredths of a percent, at which the destinations
// that lag stand: 300,000 and 320,000 of 327,400 entries.
const (
	bucketShare = 9163
	filesShare  = 9774
)

// A size is one beginning of the index, and what is measured with it.
type size struct {
	percent, n int
	at         int // entries that upstream has now
	raw        string
	sets       []set // that are at n, and grow
	hashes     set   // files and hashes at n, to be adopted
}

// many returns how many entries the largest step is, less in a small corpus.
func (b *scaleBench) many() int { return min(manyEntries, b.corpus.entries()/8) }

// small returns by how many entries an index grows in the rounds.
func (b *scaleBench) small() int { return b.rounds * (fewEntries + oneEntry) }

// growth returns by how many entries it grows in all.
func (b *scaleBench) growth() int { return b.small() + b.many() + fewEntries }

// base returns the number of entries of a size: about that share of the index,
// but the largest leaves room to grow, and if there is such a place near by the
// rounds end in the week in which they began. In a new week a bucket gets another
// 00-index.tar.gz, which is measured apart.
func (b *scaleBench) base(percent int) int {
	all := b.corpus.entries()
	wanted := min(all*percent/100, all-b.growth())
	for n := wanted; n > wanted-all/20 && n > 0; n-- {
		if b.corpus.sameWeek(n, n+b.small()) {
			return n
		}
	}
	return wanted
}

// run does all steps at all sizes.
func (b *scaleBench) run(ctx context.Context) error {
	steps := map[string]func(context.Context, *size) error{
		stepFiles: b.files, stepScript: b.script, stepFloors: b.floors, stepBoth: b.both,
		stepClone: b.clones, stepLag: b.lag, stepGrow: b.grow, stepAdopt: b.adopt, stepRSA: b.rsa,
	}
	for _, percent := range b.sizes {
		z := &size{percent: percent, n: b.base(percent)}
		if z.n < 1 {
			return errors.New("the index is too small for so many rounds")
		}
		for _, step := range allSteps() {
			if !b.wants(step, percent) {
				continue
			}
			if err := b.upstreamAt(ctx, z, z.n); err != nil {
				return err
			}
			if err := steps[step](ctx, z); err != nil {
				return fmt.Errorf("step %s at %d %%: %w", step, percent, err)
			}
		}
		if err := os.RemoveAll(b.sizePath(z, "")); err != nil {
			return err
		}
	}
	return nil
}

// wants reports whether a step is to be done at a size. The old script takes long
// and its cost shows at two of them.
func (b *scaleBench) wants(step string, percent int) bool {
	between := percent != b.sizes[0] && percent != b.sizes[len(b.sizes)-1]
	return slices.Contains(b.steps, step) && (step != stepScript || !between)
}

// sizePath is where something of a size lies.
func (b *scaleBench) sizePath(z *size, name string) string {
	return b.path(fmt.Sprintf("at-%d/%s", z.percent, name))
}

// upstreamAt gives upstream so many entries.
func (b *scaleBench) upstreamAt(ctx context.Context, z *size, n int) error {
	if z.at == n {
		return nil
	}
	z.at = n
	return errors.Join(os.MkdirAll(b.sizePath(z, ""), 0o755), b.server.grow(ctx, n))
}

// gz is the packed index of n entries, once upstream had it.
func (b *scaleBench) gz(n int) string { return b.path(fmt.Sprintf("index/01-index.%d.tar.gz", n)) }

// record measures a sync.
func (b *scaleBench) record(ctx context.Context, z *size, step string, s set, more ...string) error {
	c, err := b.sync(ctx, s, more...)
	if err != nil {
		return fmt.Errorf("%s: %w", step, err)
	}
	b.add(z, step, s.name, c)
	return nil
}

// add notes a measurement.
func (b *scaleBench) add(z *size, step, to string, c cost) {
	b.say("%3d %%  %s: %s: %s", z.percent, step, to, c.cell())
	b.results.add(step, to, z.percent, c)
}

// peer notes a measurement of something else than the mirror.
func (b *scaleBench) peer(z *size, step, by string, u usage, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", step, err)
	}
	u.own, u.children = 0, max(u.own, u.children)
	b.add(z, step, by, cost{usage: u})
	return nil
}

// The names of what is measured.
const (
	whatSnapshot = "first import, `snapshot`"
	whatDaily    = "first import, `daily`"
	whatRSA      = "first import, `daily`, RSA-4096"
	whatNothing  = "nothing new"
	whatFew      = "+50 entries"
	whatNewWeek  = "+50 entries, into a new week"
	whatOne      = "+1 entry"
	whatLag      = "lagging: bucket at 92 %, files at 98 %, hashes empty"
	whatBefore   = "bucket alone, up to 92 %"
	whatDryRun   = "full read, `--dry-run` with an empty destination"
	whatScan     = "full read and parse of the packed index"
	whatBare     = "the least: gunzip and SHA-256 of it"
	whatClone    = "clone `--depth 1 --filter=blob:none --no-checkout`"
	whatTreeless = "clone `--depth 1 --filter=tree:0 --no-checkout`"
)

// The names of peers, in the place of destinations.
const (
	byRaw    = "raw `git fast-import`"
	byScript = "the old update.sh"
	byGit    = "git"
	byNobody = "none"
	byReader = "in memory"
)

// files measures first imports of the files repository, in turn with what raw
// git takes for the same.
func (b *scaleBench) files(ctx context.Context, z *size) error {
	z.raw = b.sizePath(z, "raw.git")
	snapshot, err := writeSnapshot(ctx, b.corpus, z.n, b.sizePath(z, "snapshot.stream"))
	if err != nil {
		return err
	}
	u, err := b.rawImport(ctx, snapshot, z.raw)
	if err := b.peer(z, whatSnapshot, byRaw, u, err); err != nil {
		return err
	}
	s := set{name: toFiles, files: b.sizePath(z, "snapshot.git")}
	if err := b.record(ctx, z, whatSnapshot, s, "--history", "snapshot"); err != nil {
		return err
	}
	daily, err := writeDaily(ctx, b.corpus, z.n, b.sizePath(z, "daily.stream"))
	if err != nil {
		return err
	}
	raw := b.sizePath(z, "raw-daily.git")
	u, err = b.rawImport(ctx, daily, raw)
	if err := b.peer(z, whatDaily, byRaw, u, err); err != nil {
		return err
	}
	if err := b.daily(ctx, z, daily); err != nil {
		return err
	}
	return removeAll(snapshot.path, daily.path, s.files, raw)
}

// daily measures our own daily history and looks whether all is in it. It is the
// files repository of what follows.
func (b *scaleBench) daily(ctx context.Context, z *size, h history) error {
	s := set{name: toFiles, files: b.sizePath(z, "files.git")}
	if err := b.record(ctx, z, whatDaily, s, "--history", "daily"); err != nil {
		return err
	}
	z.sets = append(z.sets, s)
	want, err := blobs(ctx, b.corpus, z.n)
	if err != nil {
		return err
	}
	lacks, err := b.missing(ctx, s.files, want)
	if err != nil {
		return err
	}
	commits, err := b.commits(ctx, s.files)
	b.notes = append(b.notes, fmt.Sprintf("At %d %% the daily history is of %s commits (raw `git fast-import`: %s) and lacks %d of %s different .cabal files and preferred-versions.",
		z.percent, thousands(commits), thousands(h.commits), lacks, thousands(len(want))))
	if lacks > 0 {
		err = errors.Join(err, fmt.Errorf("the daily history lacks %d files", lacks))
	}
	return err
}

func removeAll(paths ...string) error {
	var errs []error
	for _, path := range paths {
		errs = append(errs, os.RemoveAll(path))
	}
	return errors.Join(errs...)
}

// script measures the old way.
func (b *scaleBench) script(ctx context.Context, z *size) error {
	o := oldScript{b: b, remote: b.sizePath(z, "old.git"), folder: b.sizePath(z, "old")}
	u, err := o.begin(ctx, b.gz(z.n))
	if err := b.peer(z, whatSnapshot, byScript, u, err); err != nil {
		return err
	}
	if err := errors.Join(os.RemoveAll(o.folder), b.upstreamAt(ctx, z, z.n+fewEntries)); err != nil {
		return err
	}
	u, err = o.clone(ctx)
	if err == nil {
		var v usage
		v, err = o.commit(ctx, b.gz(z.at))
		u = u.plus(v)
		u.disk = sizeOf(o.folder)
	}
	if err := b.peer(z, whatFew, byScript, u, err); err != nil {
		return err
	}
	return removeAll(o.remote, o.folder)
}

// floors measures what nobody can do without: to clone, and to read the index.
func (b *scaleBench) floors(ctx context.Context, z *size) error {
	for range b.rounds {
		if err := b.readings(ctx, z); err != nil {
			return err
		}
		if len(z.sets) == 0 {
			continue // there is nothing to clone
		}
		for _, c := range []struct{ name, filter string }{{whatClone, "blob:none"}, {whatTreeless, "tree:0"}} {
			clone := b.sizePath(z, "clone.git")
			u, err := b.git(ctx, b.dir, "clone", "--quiet", "--depth=1", "--bare", "--filter="+c.filter, "--branch=hackage", "file://"+z.sets[0].files, clone)
			u.disk = sizeOf(clone)
			if err := errors.Join(b.peer(z, c.name, byGit, u, err), os.RemoveAll(clone)); err != nil {
				return err
			}
		}
	}
	return nil
}

// readings measures full reads of the index.
func (b *scaleBench) readings(ctx context.Context, z *size) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	for _, r := range []struct{ name, way string }{{whatBare, readPlain}, {whatScan, readParsed}} {
		u, _, err := watch(ctx, b.job(self, b.dir, readCommand, r.way, b.gz(z.n)))
		if err := b.peer(z, r.name, byReader, u, err); err != nil {
			return err
		}
	}
	return b.record(ctx, z, whatDryRun, set{name: byNobody, files: b.sizePath(z, "nothing.git")}, "--dry-run")
}
