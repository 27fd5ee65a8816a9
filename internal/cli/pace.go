package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/pace"
	"github.com/hackage-mirror/hackage-mirror/internal/secret"
	"github.com/hackage-mirror/hackage-mirror/internal/status"
)

// PaceOptions are all that pace can be told. The rest it knows from the runner.
type PaceOptions struct {
	Mend        bool          `name:"mend" help:"Restart the chain if it ended, and the mirror if its data are late."`
	Rest        int           `name:"rest" placeholder:"N" help:"How many waits to let pass before the mirror is started."`
	Environment string        `name:"environment" default:"pace" placeholder:"NAME" help:"Environment whose wait timer paces."`
	PublicURL   string        `name:"public-url" placeholder:"URL" help:"Address of a bucket of the mirror, whose status.json tells how old the published data are."`
	Upstream    string        `name:"upstream" default:"https://hackage.haskell.org" placeholder:"ADDRESS" help:"Upstream, to go slower when it is quiet."`
	Token       secret.Secret `name:"token" secret:"line" placeholder:"FILE" help:"Token with actions: write."`
}

// runPace is one run of the chain that keeps a steady pace, in a workflow.
func runPace(ctx context.Context, o *PaceOptions, env Env) error {
	repository, ref, api := env.Getenv("GITHUB_REPOSITORY"), env.Getenv("GITHUB_REF_NAME"), env.Getenv("GITHUB_API_URL")
	id, err := strconv.ParseInt(env.Getenv("GITHUB_RUN_ID"), 10, 64)
	if err != nil || repository == "" || ref == "" || api == "" || len(o.Token.Bytes()) == 0 {
		return usage(errors.New("this command is for the workflows pace.yml and mend.yml: it needs a token and what GitHub's runner says of itself"), "")
	}
	attempt, err := strconv.Atoi(cmp.Or(env.Getenv("GITHUB_RUN_ATTEMPT"), "1"))
	if err != nil {
		return usage(fmt.Errorf("read GITHUB_RUN_ATTEMPT: %w", err), "")
	}
	client := &http.Client{}
	var told []string
	p := &pace.Pacer{
		GitHub:      &pace.REST{Base: api, Repository: repository, Ref: ref, Token: strings.TrimSpace(string(o.Token.Bytes())), Client: client, Wait: env.pause},
		Environment: o.Environment, Branch: ref, Run: id, Attempt: attempt, Rest: o.Rest, Now: env.Now, Wait: env.pause,
		Newest: func(ctx context.Context) (time.Time, error) { return indexChanged(ctx, client, o.Upstream) },
		Say: func(text string) {
			told = append(told, text)
			fmt.Fprintln(env.Stdout, text)
		},
	}
	if o.PublicURL != "" {
		p.Checked = func(ctx context.Context) (time.Time, error) { return lastChecked(ctx, client, o.PublicURL) }
	}
	act := p.Pace
	if o.Mend {
		act = p.Mend
	}
	err = act(ctx)
	if err != nil {
		told = append(told, err.Error())
	}
	return errors.Join(err, appendSummary(env.Getenv("GITHUB_STEP_SUMMARY"), told))
}

// fetchTime bounds a request to upstream or for the published data.
const fetchTime = 20 * time.Second

// indexChanged asks upstream when its index changed last.
func indexChanged(ctx context.Context, client *http.Client, upstream string) (time.Time, error) {
	header, _, err := fetch(ctx, client, http.MethodHead, upstream, "01-index.tar.gz")
	if err != nil {
		return time.Time{}, err
	}
	return http.ParseTime(header.Get("Last-Modified"))
}

// lastChecked asks the published data when they were last equal to upstream's. Nobody
// signs that, so it is good for the pace alone.
func lastChecked(ctx context.Context, client *http.Client, publicURL string) (time.Time, error) {
	_, raw, err := fetch(ctx, client, http.MethodGet, publicURL, status.Key)
	if err != nil {
		return time.Time{}, err
	}
	told, err := status.Parse(raw)
	switch {
	case err != nil:
		return time.Time{}, err
	case told.Health == status.Failed: // it compared, and did not publish
		return time.Time{}, errors.New(status.Key + " says that the last run failed")
	}
	return told.Checked, nil
}

// fetch returns a file below an address, of which it reads no more than a status may
// have. Any other answer than that file is an error.
func fetch(ctx context.Context, client *http.Client, method, address, file string) (http.Header, []byte, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTime)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, strings.TrimRight(address, "/")+"/"+file, nil)
	if err != nil {
		return nil, nil, err
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = response.Body.Close() }() // it was read as far as it matters
	if response.StatusCode != http.StatusOK {
		return nil, nil, fmt.Errorf("%s %s: %s", method, file, response.Status)
	}
	raw, err := io.ReadAll(io.LimitReader(response.Body, status.MaxSize+1))
	if err != nil {
		err = fmt.Errorf("read %s: %w", file, err)
	}
	return response.Header, raw, err
}

// appendSummary writes a list into the summary of the run's page.
func appendSummary(path string, lines []string) error {
	if path == "" {
		return nil
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("write the summary: %w", err)
	}
	for _, line := range lines {
		_, err = fmt.Fprintf(f, "- %s\n", strings.ReplaceAll(line, "\n", " "))
	}
	return errors.Join(err, f.Close())
}
