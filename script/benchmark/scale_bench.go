package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// A scaleBench measures the mirror at several sizes of its upstream. All that it
// makes lies in one folder.
type scaleBench struct {
	scaleSettings
	dir       string
	temporary string // the measured program's folder for temporary files
	key       string // path of a signing key
	packed    string // the file in which packs are counted

	corpus  *corpus
	server  *scaleserver
	gateway *gateway // nil without S3
	gate    *gate
	results *results
	notes   []string // what was checked
	begun   time.Time
	load    string // how busy the machine was before

	bucket string // the folder that grows from size to size
}

// newScaleBench makes all that is not measured.
func newScaleBench(ctx context.Context, s scaleSettings) (_ *scaleBench, err error) {
	b := &scaleBench{scaleSettings: s, begun: time.Now(), load: loadAverage(), results: newResults()}
	if b.dir, err = os.MkdirTemp("", "hackage-mirror-scale-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.close())
		}
	}()
	b.temporary, b.key, b.packed = b.path("tmp"), b.path("key.asc"), b.path("packed")
	b.bucket = b.path("bucket")
	if b.corpus, err = openCorpus(ctx, s.data, s.corpus, b.path("index")); err != nil {
		return nil, err
	}
	if err := b.equip(ctx); err != nil {
		return nil, err
	}
	if err := buildScaleserver(ctx, s.data, b.path("scaleserver")); err != nil {
		return nil, err
	}
	b.say("index of %s entries is unpacked", thousands(b.corpus.entries()))
	b.server, err = startScaleserver(ctx, b.path("scaleserver"), b.path("index"), b.base(s.sizes[0]))
	if err != nil || s.versitygw == "" {
		return b, err
	}
	if b.gateway, err = startGateway(ctx, s.versitygw, b.path("s3")); err != nil {
		return nil, err
	}
	b.gate, err = newGate(b.gateway.url)
	return b, err
}

// equip writes the files that programs want.
func (b *scaleBench) equip(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	for _, folder := range []string{b.temporary, b.path("home")} {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return err
		}
	}
	key, err := newKey(packet.PubKeyAlgoEdDSA)
	if err != nil {
		return err
	}
	return errors.Join(ctx.Err(), os.WriteFile(b.key, key, 0o600), writeGitSettings(b.path("gitconfig"), self, b.packed))
}

func (b *scaleBench) path(name string) string { return filepath.Join(b.dir, name) }

// environment is that of all programs that are measured.
func (b *scaleBench) environment() []string {
	var env []string
	if b.gateway != nil {
		env = b.gateway.environment()
	}
	return append(env,
		"PATH="+os.Getenv("PATH"), "HOME="+b.path("home"), "TMPDIR="+b.temporary, "LC_ALL=C",
		"GIT_CONFIG_GLOBAL="+b.path("gitconfig"), "GIT_CONFIG_NOSYSTEM=1",
	)
}

// close ends and removes everything.
func (b *scaleBench) close() error {
	var errs []error
	if b.gate != nil {
		b.gate.server.Close()
	}
	if b.gateway != nil {
		b.gateway.stop()
	}
	if b.server != nil {
		errs = append(errs, b.server.close())
	}
	if b.keep {
		fmt.Fprintln(os.Stderr, "bench: all is in", b.dir)
		return errors.Join(errs...)
	}
	return errors.Join(append(errs, removeSoon(b.dir))...)
}

// removeSoon removes a folder into which processes may still write that are
// about to end.
func removeSoon(folder string) error {
	var err error
	for range 20 {
		if err = os.RemoveAll(folder); err == nil {
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return err
}

// say tells of the progress.
func (b *scaleBench) say(format string, arguments ...any) {
	fmt.Fprintf(os.Stderr, "%5.0f s  %s\n", time.Since(b.begun).Seconds(), fmt.Sprintf(format, arguments...))
}
