package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"
)

// markdown returns the report for people, and how many targets were missed.
func (r *results) markdown(s *settings, targets []target) (string, int) {
	var out strings.Builder
	fmt.Fprintf(&out, "%s, %s. Hackage has %s releases at first, %s. The median of %d rounds in turns. All servers are on loopback and on the same cores. CPU is that of user and system, memory that of the largest process, ours or git's. Requests and connections are those to upstream, S3 and the git host; over ssh, a step of git is a request. What was moved went over the lines to them, or was cloned.",
		time.Now().UTC().Format(time.DateOnly), machine(), thousands(int64(r.first)), map[bool]string{true: "made up", false: "out of an index"}[s.index == ""], s.rounds)
	if len(r.rtts) > 1 {
		fmt.Fprintf(&out, " All but the times are those at %d ms there and back, also the targets; rounds are how many times that it takes longer than at 0.", r.far.Milliseconds())
	}
	out.WriteString("\n")
	compared := len(s.programs) > 1
	if compared {
		out.WriteString("Now / before is of the least of their rounds.\n")
		targets = append(slices.Clone(targets),
			target{"now / before: wall time of the slowest row", 1.1, slowest(wall)},
			target{"now / before: CPU of the slowest row", 1.1, slowest(cpu)})
	}
	missed := r.writeTargets(&out, targets)
	r.writeRows(&out, compared)
	return out.String(), missed
}

// writeTargets writes a table of targets, and returns how many were missed.
func (r *results) writeTargets(out *strings.Builder, targets []target) (missed int) {
	out.WriteString("\n| target | wanted | got | |\n|---|---|---|---|\n")
	for _, t := range targets {
		got, ok := t.got(r)
		if !ok {
			continue
		}
		verdict := "met"
		if got > t.most {
			verdict = "**missed**"
			missed++
		}
		fmt.Fprintf(out, "| %s | at most %v | %.2f | %s |\n", t.name, t.most, got, verdict)
	}
	return missed
}

// A column of the table of rows shows something of the cells of a row at the far end.
type column struct {
	name string
	show func(cell) string
}

// columns are those of the table behind what was measured and where.
func (r *results) columns(compared bool) (all []column) {
	last := func(c cell) sample { return r.samples[c][len(r.samples[c])-1] }
	number := func(format string, v value) func(cell) string {
		return func(c cell) string {
			got, _ := r.median(c, v)
			return fmt.Sprintf(format, got)
		}
	}
	for _, rtt := range r.rtts {
		all = append(all, column{fmt.Sprintf("%d ms", rtt.Milliseconds()), func(c cell) string {
			return number("%.2f s", wall)(cell{c.row, c.by, rtt})
		}})
	}
	if len(r.rtts) > 1 {
		all = append(all, column{"rounds", func(c cell) string {
			got, _ := r.rounds(c)
			return fmt.Sprintf("%.1f", got)
		}}, column{"connections", func(c cell) string { return counts(last(c).Connections) }})
	} else {
		all[0].name = "wall"
	}
	all = append(all, column{"CPU", number("%.2f s", cpu)}, column{"memory", number("%.0f MB", memory)},
		column{"requests", func(c cell) string { return counts(last(c).Requests) }}, column{"moved", number("%.2f MB", megabytes)})
	if compared {
		compare := func(v value) func(cell) string {
			return func(c cell) string {
				if got, _, ok := r.compared(c.row, v); ok {
					return fmt.Sprintf("%.2f", got)
				}
				return ""
			}
		}
		all = append(all, column{"now / before: wall", compare(wall)}, column{"CPU", compare(cpu)}, column{"memory", compare(memory)})
	}
	return all
}

// writeRows writes the table of rows.
func (r *results) writeRows(out *strings.Builder, compared bool) {
	columns := r.columns(compared)
	out.WriteString("\n| what | to |")
	for _, c := range columns {
		out.WriteString(" " + c.name + " |")
	}
	out.WriteString("\n" + strings.Repeat("|---", len(columns)+2) + "|\n")
	for _, d := range r.destinations {
		for _, s := range r.scenarios {
			at := r.cell(row{s.name, d.name})
			if r.samples[at] == nil {
				continue
			}
			fmt.Fprintf(out, "| %s | %s |", at.what, at.to)
			for _, c := range columns {
				out.WriteString(" " + c.show(at) + " |")
			}
			out.WriteString("\n")
		}
	}
}

// counts writes numbers of upstream, S3 and git.
func counts(n [3]int64) string {
	return thousands(n[0]) + ", " + thousands(n[1]) + ", " + thousands(n[2])
}

// thousands writes a number with its thousands apart.
func thousands(n int64) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}

// machine tells what the numbers depend on.
func machine() string {
	said := fmt.Sprintf("%s/%s with %d cores", runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	for _, command := range []string{"uname -rs", "git version"} {
		words := strings.Fields(command)
		if raw, err := exec.Command(words[0], words[1:]...).Output(); err == nil {
			said += ", " + strings.TrimSpace(string(raw))
		}
	}
	return said + ", " + runtime.Version()
}

// writePart puts a text between the markers of a part of a file, and leaves the
// other parts as they are.
func writePart(name, part, text string) error {
	raw, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	opening, closing := "<!-- bench "+part+" -->\n", "<!-- /bench "+part+" -->"
	above, rest, opens := strings.Cut(string(raw), opening)
	_, below, closes := strings.Cut(rest, closing)
	if !opens || !closes {
		return fmt.Errorf("write the table into %q: it lacks the markers %q and %q", name, opening, closing)
	}
	return os.WriteFile(name, []byte(above+opening+text+closing+below), 0o644)
}
