package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
)

// A bench is a table: its rows are the scenarios in each destination.
type bench struct {
	releases     int // of Hackage at first, unless the user says
	rtts         []time.Duration
	destinations []destination
	scenarios    []scenario
	targets      []target
}

// A scenario is what is measured, in the order of the table.
type scenario struct {
	name                string
	releases, revisions int    // that come to Hackage before
	command             string // is done by hand in place of a run
	perProgram          bool   // by hand at the mirror of each program
}

// A runner measures a bench.
type runner struct {
	results
	*settings
	dir      string
	hackage  *hackage
	upstream *hackagetest.Server
	servers  *servers
	routes   []*route
}

// run measures a bench in all its rounds.
func (b bench) run(ctx context.Context, s *settings) (_ *results, err error) {
	r := &runner{settings: s, results: results{bench: b, far: slices.Max(b.rtts), samples: map[cell][]sample{}}}
	changes := madeUp(s.releases)
	if s.index != "" {
		changes = readIndex(s.index)
	}
	if r.hackage, err = newHackage(changes, s.releases); err != nil {
		return nil, err
	}
	if r.dir, err = os.MkdirTemp("", "hackage-mirror-bench-"); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(r.dir)) }()
	r.upstream = r.hackage.Serve()
	defer r.upstream.Close()
	remote := slices.ContainsFunc(b.destinations, func(d destination) bool { return d.git == "ssh" || d.git == "https" })
	r.servers, err = startServers(s.versitygw, r.dir, remote)
	defer r.servers.stop()
	if err != nil {
		return nil, err
	}
	for _, rtt := range b.rtts {
		route, err := newRoute(r.upstream.URL, r.servers, rtt)
		if err != nil {
			return nil, err
		}
		r.routes = append(r.routes, route)
	}
	for round := range s.rounds {
		if err := r.round(ctx, round); err != nil {
			return nil, err
		}
	}
	r.first = r.hackage.releases
	return &r.results, nil
}

// round measures all scenarios, in turns, with mirrors that are empty at first.
func (r *runner) round(ctx context.Context, number int) error {
	h := r.hackage.clone()
	all, err := r.mirrors(ctx, h)
	if err != nil {
		return err
	}
	for _, s := range r.scenarios {
		h.update(s.releases, s.revisions)
		g := h.Generation()
		_ = g.Paths() // its files are made here, not when a run asks for them
		r.upstream.Show(g)
		for _, mirrors := range all {
			if number%2 == 1 {
				slices.Reverse(mirrors)
			}
			for _, m := range mirrors {
				if err := r.measure(ctx, s, m, number); err != nil {
					return fmt.Errorf("%s, %s: %w", s.name, m.destination.name, err)
				}
			}
		}
	}
	for _, m := range slices.Concat(all...) {
		err = errors.Join(err, os.RemoveAll(m.dir), os.RemoveAll(m.bucketFolder()), os.RemoveAll(m.bucketFolder()+"-copy"))
	}
	return err
}

// mirrors makes empty ones: for each destination at the end of each route, those of all
// programs.
func (r *runner) mirrors(ctx context.Context, h *hackage) (all [][]*mirror, err error) {
	for _, d := range r.destinations {
		for _, route := range r.routes {
			var mirrors []*mirror
			for _, p := range r.programs {
				name := strings.ToLower(fmt.Sprintf("%s-%d-%s", d.name, route.rtt.Milliseconds(), p.name))
				name = strings.NewReplacer(" ", "-", ",", "", "`", "").Replace(name)
				m, err := newMirror(ctx, r.dir, name, mirror{destination: d, route: route, servers: r.servers, program: p}, h)
				if err != nil {
					return nil, err
				}
				mirrors = append(mirrors, m)
			}
			all = append(all, mirrors)
		}
	}
	return all, nil
}

// measure measures a scenario at a mirror.
func (r *runner) measure(ctx context.Context, s scenario, m *mirror, round int) error {
	command, by := m.sync, m.program.name
	if s.command != "" {
		command = m.words(r.settings, s.command)
	}
	if s.command != "" && !s.perProgram {
		by = byHand
	}
	if command == nil || by == byHand && m.program.name != now {
		return nil
	}
	took, err := m.measure(ctx, command)
	if err != nil {
		return err
	}
	c := cell{row{s.name, m.destination.name}, by, m.rtt}
	fmt.Fprintf(os.Stderr, "round %d: %s, %s, %s, %s: %.2f s\n", round+1, m.rtt, c.what, c.to, c.by, took.Wall.Seconds())
	r.samples[c] = append(r.samples[c], took)
	return nil
}

// words returns a scenario's command for a mirror, nil if that lacks what the command
// is about.
func (m *mirror) words(s *settings, command string) (words []string) {
	names := map[string]string{"{dir}": m.dir, "{output}": m.dir + "/output", "{files}": "", "{s3}": "", "{repack}": repack}
	if m.git != "" {
		names["{files}"] = m.repository("files")
	} else if m.bucket == "S3" && s.s5cmd != "" {
		names["{s3}"] = m.bucketFolder()
	}
	names["{s5cmd}"], names["{endpoint}"], names["{copy}"] = s.s5cmd, "http://"+m.toS3.Addr().String(), filepath.Base(m.dir)+"-copy"
	for word := range strings.FieldsSeq(command) {
		for name, value := range names {
			if strings.Contains(word, name) && value == "" {
				return nil
			}
			word = strings.ReplaceAll(word, name, value)
		}
		words = append(words, word)
	}
	return words
}

// repack is a script that copies a repository and packs the copy anew.
const repack = `git clone --quiet --mirror "$1" "$2" && git -C "$2" repack -adfq`
