package page

import (
	"bytes"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"github.com/hackage-mirror/hackage-mirror/internal/status"
)

type gauge struct {
	name, help, unit string
	samples          []sample
}

// A sample is a value with its labels, name and value in turns.
type sample struct {
	value  float64
	labels []string
}

// metrics returns what monitoring reads, in the text form of OpenMetrics. What
// is not known is left out.
func metrics(s *status.Status) ([]byte, error) {
	var out bytes.Buffer
	for _, g := range gauges(s) {
		if len(g.samples) == 0 {
			continue
		}
		if _, err := expfmt.MetricFamilyToOpenMetrics(&out, g.family()); err != nil {
			return nil, err
		}
	}
	if _, err := expfmt.FinalizeOpenMetrics(&out); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// gauges returns all metrics, those without a value as well.
func gauges(s *status.Status) []gauge {
	state, failed := repositories(s.Repositories)
	return []gauge{
		{"info", "Program, upstream and selection; always 1.", "", []sample{{1, []string{"tool", s.Tool, "upstream", s.Upstream, "packages", s.Packages}}}},
		{"health", "Health as the last run found it: 1 for the word that holds.", "", health(s.Health)},
		{"checked_timestamp_seconds", "When the mirror was compared with upstream last, to the hour.", "seconds", instant(s.Checked)},
		{"changed_timestamp_seconds", "When a run changed the mirror last.", "seconds", instant(s.Changed)},
		{"index_state_timestamp_seconds", "Time of the newest entry of the mirror's index.", "seconds", instant(s.Index.State)},
		{"upstream_index_state_timestamp_seconds", "Time of the newest entry of upstream's index, as seen last.", "seconds", instant(s.Index.Upstream)},
		{"index_bytes", "Length of the index.", "bytes", number(s.Index.Length)},
		{"lag_seconds", "From the upload of the newest entry to its publication here.", "seconds", number(s.Index.Lag)},
		{"behind_seconds", "For how long the oldest entry that is missing here has waited.", "seconds", number(s.Index.Behind)},
		{"run_began_timestamp_seconds", "When the last run began.", "seconds", instant(s.Run.Began)},
		{"run_outcome", "How the last run ended; always 1.", "", known(s.Run.Outcome != "", 1, "outcome", s.Run.Outcome)},
		{"packages", "Packages in the mirror.", "", number(s.Holds.Packages)},
		{"releases", "Releases in the mirror.", "", number(s.Holds.Releases)},
		{"revisions", "Revised .cabal files in the mirror.", "", number(s.Holds.Revisions)},
		{"tarballs_bytes", "Size of all tarballs.", "bytes", number(s.Holds.Bytes)},
		{"owed_releases", "Releases that the mirror could not take yet.", "", number(int64(s.Pending))},
		{"run_duration_seconds", "How long the last run took.", "seconds", known(!s.Run.Began.IsZero() && s.Run.Seconds >= 0, s.Run.Seconds)},
		expiries(s.Expiries), state, failed,
	}
}

// known returns a sample, none if there is nothing to tell.
func known(is bool, value float64, labels ...string) []sample {
	if !is {
		return nil
	}
	return []sample{{value, labels}}
}

func number(n int64) []sample { return known(n >= 0, float64(n)) }

func instant(t time.Time, labels ...string) []sample {
	return known(!t.IsZero(), float64(t.Unix()), labels...)
}

func health(is status.Word) []sample {
	var all []sample
	for _, word := range []status.Word{status.Good, status.Look, status.Filling, status.Failed} {
		all = append(all, sample{truth(word == is), []string{"health", string(word)}})
	}
	return all
}

func truth(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

func expiries(list []status.Expiry) gauge {
	g := gauge{name: "expiry_timestamp_seconds", help: "When clients begin to refuse a file or a signature.", unit: "seconds"}
	seen := map[string]bool{}
	for _, e := range list {
		if of := shown(e.Of, maxLine); !seen[of] {
			seen[of] = true
			g.samples = append(g.samples, instant(e.When, "of", of)...)
		}
	}
	return g
}

// repositories returns how far the repositories are, and whether they failed.
func repositories(list []status.Repository) (state, failed gauge) {
	state = gauge{name: "repository_index_state_timestamp_seconds", help: "Time of the newest entry in a repository.", unit: "seconds"}
	failed = gauge{name: "repository_failed", help: "Whether the last run failed to bring a repository up to date."}
	seen := map[string]bool{}
	for _, r := range list {
		labels := []string{"kind", shown(r.Kind, maxLine), "address", shown(r.Address, maxLine)}
		if at := strings.Join(labels, "\n"); !seen[at] {
			seen[at] = true
			state.samples = append(state.samples, instant(r.State, labels...)...)
			failed.samples = append(failed.samples, sample{truth(r.Error != ""), labels})
		}
	}
	return state, failed
}

// family returns a gauge in the form of the library.
func (g gauge) family() *dto.MetricFamily {
	name, kind := "hackage_mirror_"+g.name, dto.MetricType_GAUGE
	f := &dto.MetricFamily{Name: &name, Help: &g.help, Type: &kind}
	if g.unit != "" {
		f.Unit = &g.unit
	}
	for _, s := range g.samples {
		m := &dto.Metric{Gauge: &dto.Gauge{Value: &s.value}}
		for i := 0; i < len(s.labels); i += 2 {
			value := shown(s.labels[i+1], maxLine)
			m.Label = append(m.Label, &dto.LabelPair{Name: &s.labels[i], Value: &value})
		}
		f.Metric = append(f.Metric, m)
	}
	return f
}
