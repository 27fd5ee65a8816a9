package main

import "time"

// The rows that targets name, what the last of them are of, and a row's command.
const (
	firstFill    = "first fill"
	nothingNew   = "nothing new"
	twoRevisions = "two revisions"
	byUpload     = "s5cmd: upload of what the first fill put"
	byLsRemote   = "git ls-remote of one repository"
	byPush       = "git push of a branch to one repository"
	repacked     = "after `git repack -adf`"
	s5cmdUpload  = "{s5cmd} --log error --endpoint-url {endpoint} --numworkers 16 cp --exclude .* {s3}/ s3://{copy}/"
)

// mirrorBench is all that a mirror does, near by.
func mirrorBench() bench {
	const all = "S3, files and hashes"
	return bench{
		releases: 2000, rtts: []time.Duration{0},
		destinations: []destination{
			{name: "folder", bucket: "folder"},
			{name: "S3", bucket: "S3"},
			{name: "files and hashes", git: "path"},
			{name: all, bucket: "S3", git: "path"},
		},
		scenarios: []scenario{
			{name: firstFill},
			{name: byUpload, command: s5cmdUpload},
			{name: nothingNew},
			{name: twoRevisions, revisions: 2},
			{name: "50 entries with 23 releases", releases: 23, revisions: 4},
		},
		targets: []target{
			{"first fill of S3 / s5cmd's upload of the same", 1, ratio(wall, row{firstFill, "S3"}, row{byUpload, "S3"})},
			{"seconds of nothing new into all three", 0.3, func(r *results) (float64, bool) { return r.median(r.cell(row{nothingNew, all}), wall) }},
			{"requests to upstream of nothing new", 1, most(row{nothingNew, ""}, func(s sample) float64 { return float64(s.Requests[0]) })},
			{"MB of memory of a run into a folder", 150, most(row{"", "folder"}, memory)},
			{"MB of memory of a run into S3", 150, most(row{"", "S3"}, memory)},
		},
	}
}

// distanceBench is runs from far away: the servers are near, and the lines to them long.
func distanceBench() bench {
	const all = "S3 and ssh"
	return bench{
		releases: 100, rtts: []time.Duration{0, 30 * time.Millisecond, 100 * time.Millisecond},
		destinations: []destination{
			{name: "S3", bucket: "S3"},
			{name: "ssh", git: "ssh"},
			{name: "https", git: "https"},
			{name: all, bucket: "S3", git: "ssh"},
		},
		scenarios: []scenario{
			{name: firstFill},
			{name: byUpload, command: s5cmdUpload},
			{name: nothingNew},
			{name: "one revision", revisions: 1},
			{name: twoRevisions, revisions: 2},
			{name: "50 entries with 23 releases", releases: 23, revisions: 4},
			{name: byLsRemote, command: "git ls-remote {files}"},
			{name: byPush, command: "git --git-dir={dir}/hand push --quiet {files} HEAD:refs/heads/hand"},
		},
		targets: []target{
			{"nothing new, over ssh / git ls-remote", 1.5, ratio(wall, row{nothingNew, "ssh"}, row{byLsRemote, "ssh"})},
			{"nothing new, over https / git ls-remote", 1.5, ratio(wall, row{nothingNew, "https"}, row{byLsRemote, "https"})},
			{"nothing new, over S3 and ssh / git ls-remote", 1.5, ratio(wall, row{nothingNew, all}, row{byLsRemote, all})},
			{"two revisions into all three / git ls-remote and git push", 1.6, ratio(wall, row{twoRevisions, all}, row{byLsRemote, all}, row{byPush, all})},
			{"rounds of two revisions into S3", 10, func(r *results) (float64, bool) { return r.rounds(r.cell(row{twoRevisions, "S3"})) }},
			{"rounds of nothing new into S3", 3, func(r *results) (float64, bool) { return r.rounds(r.cell(row{nothingNew, "S3"})) }},
			{"ssh connections of a run, to two repositories with one key", 1, most(row{"", "ssh"}, gitConnections)},
			{"the same, with S3", 1, most(row{"", all}, gitConnections)},
		},
	}
}

// cloneBench is what readers of both repositories clone, beside the same after git has
// packed all of it anew.
func cloneBench() bench {
	b := bench{releases: 4000, rtts: []time.Duration{0}, scenarios: []scenario{{name: firstFill}}}
	for _, history := range []string{"daily", "snapshot"} {
		b.destinations = append(b.destinations, destination{name: history, git: "path", options: []string{"--history", history}})
	}
	for _, name := range []string{"files", "hashes"} {
		add := func(what, command string) {
			b.scenarios = append(b.scenarios, scenario{name: what, perProgram: true, command: command})
		}
		for _, from := range []struct{ how, path string }{{"as pushed", "{dir}/" + name}, {repacked, "{dir}/packed-" + name}} {
			if from.how == repacked {
				add("`git repack -adf`, "+name, "sh -c {repack} sh {dir}/"+name+" "+from.path)
			}
			add(shallow(name, from.how), "git clone --quiet --bare --depth=1 --branch=hackage file://"+from.path+" {output}")
			add(full(name, from.how), "git clone --quiet --bare --branch=hackage file://"+from.path+" {output}")
			add("`git archive`, "+name+", "+from.how, "git --git-dir="+from.path+" archive --output={output} --format=tar hackage")
		}
		for _, d := range b.destinations {
			for _, clone := range []func(name, how string) string{shallow, full} {
				b.targets = append(b.targets, target{
					"bytes of " + clone(name, d.name) + ": as pushed / repacked", 1.2,
					ratio(megabytes, row{clone(name, "as pushed"), d.name}, row{clone(name, repacked), d.name}),
				})
			}
		}
	}
	return b
}

func shallow(name, how string) string { return "clone `--depth 1`, " + name + ", " + how }
func full(name, how string) string    { return "clone, " + name + ", " + how }
