package options

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/hackage-mirror/hackage-mirror/internal/addresses"
	"github.com/hackage-mirror/hackage-mirror/internal/allcabal"
	"github.com/hackage-mirror/hackage-mirror/internal/bounded"
	"github.com/hackage-mirror/hackage-mirror/internal/bucket/open"
	"github.com/hackage-mirror/hackage-mirror/internal/bucket/s3"
	"github.com/hackage-mirror/hackage-mirror/internal/gitrepo/sshauth"
	"github.com/hackage-mirror/hackage-mirror/internal/mirror"
	"github.com/hackage-mirror/hackage-mirror/internal/notify"
	"github.com/hackage-mirror/hackage-mirror/internal/paste"
	"github.com/hackage-mirror/hackage-mirror/internal/run"
	"github.com/hackage-mirror/hackage-mirror/internal/secret"
	"github.com/hackage-mirror/hackage-mirror/internal/selection"
)

// Bounds of options.
const (
	keyIDDigits     = 64      // a key id is a SHA-256
	hackageRootKeys = 6       // what stands in for an empty root-keys
	maxConcurrency  = 64      // more would be an attack on upstream
	maxKnownHosts   = 1 << 20 // bytes
)

// Check refuses options that contradict each other. It finds all that is wrong at
// once; each line of the error says what to do. Warnings are what is allowed
// but should be known. It opens no connection.
func (o *Sync) Check() (warnings []string, err error) {
	c := &checker{}
	o.checkComments(c)
	o.checkUpstream(c)
	o.checkRootKeys(c)
	o.checkDestinations(c)
	o.checkRepositories(c)
	c.warnings = slices.Concat(c.warnings, notify.Warnings(notify.PingOption, o.PingURL), notify.Warnings(notify.NotifyOption, o.NotifyURL))
	c.ref("branch", o.Branch)
	c.ref("tag", o.Tag)
	if o.Branch == "display" {
		c.refuse(`branch "display" is for the README; choose another name for the data`)
	}
	if o.Concurrency < 1 || o.Concurrency > maxConcurrency {
		c.refuse("concurrency %d is out of range; use 1 to %d", o.Concurrency, maxConcurrency)
	}
	shard, err := o.ShardOf()
	c.add(err)
	if shard.Of > 0 && len(o.Bucket) == 0 {
		c.refuse("shard is for buckets, and none is given; leave it out")
	}
	o.checkWatch(c)
	_, err = selection.Parse(o.Packages)
	c.add(err)
	_, _, err = o.KnownHosts()
	c.add(err)
	_, _, err = o.Trusted()
	c.add(err)
	_, err = o.Accepted()
	c.add(err)
	for _, pattern := range o.Keep {
		if err := allcabal.CheckKeep(pattern); err != nil {
			c.refuse("keep: %w", err)
		}
	}
	o.warnOfFiles(c)
	return c.warnings, errors.Join(c.problems...)
}

func (o *Sync) checkWatch(c *checker) {
	for _, once := range []struct {
		option string
		set    bool
	}{{"dry-run", o.DryRun}, {"full", o.Full}, {"adopt", o.Adopt}, {"shard", o.Shard != ""}} {
		if o.Watch > 0 && once.set {
			c.refuse("watch makes many runs, and %s is for one run; leave one of them out", once.option)
		}
	}
}

// KnownHosts returns the lines of ssh-known-hosts, from the file it names or from
// its own text, and names those that ssh ignores; nil when it is not set.
func (o *Sync) KnownHosts() (lines []byte, warnings []string, err error) {
	text := []byte(o.SSHKnownHosts)
	switch value := paste.Line(o.SSHKnownHosts); {
	case value == "":
		return nil, nil, nil
	case secret.IsFile(value):
		if text, err = bounded.ReadFile(value, maxKnownHosts); err != nil {
			return nil, nil, fmt.Errorf("read ssh-known-hosts %q: %w", value, err)
		}
	case !bytes.ContainsAny(paste.Lines(text), " \t"):
		return nil, nil, fmt.Errorf("ssh-known-hosts %.200q is neither a file nor the lines of one; ssh-keyscan prints such lines: compare them with the keys that the host publishes", value)
	}
	lines, warnings, err = sshauth.KnownHosts(text)
	if err != nil {
		return nil, nil, fmt.Errorf("ssh-known-hosts: %w", err)
	}
	return lines, warnings, nil
}

// BucketOptions returns what the options say of buckets, whatever the address of one
// does not.
func (o *Sync) BucketOptions() (open.Options, error) {
	opening := open.Options{S3: s3.Options{Region: o.S3Region, PathStyle: &o.S3PathStyle}}
	opening.Full = o.Full
	if o.S3Endpoint == "" {
		return opening, nil
	}
	endpoint, err := s3.ParseEndpoint(o.S3Endpoint)
	if err != nil {
		return opening, fmt.Errorf("s3-endpoint: %w; write it as https://HOST", err)
	}
	opening.S3.Endpoint = endpoint
	if u, err := url.Parse(endpoint); err != nil || addresses.Within(u.Path) {
		return opening, errors.New("s3-endpoint has another address, or a user and password, in its path; write it as https://HOST")
	}
	return opening, nil
}

// MirrorURL returns the mirror's address for the records, "" for none.
func (o *Sync) MirrorURL() string {
	if o.PublicURL != "" {
		return o.PublicURL
	}
	for _, text := range o.Bucket {
		if address, _ := open.Address(text, open.Options{}); address.PublicURL != "" {
			return address.PublicURL
		}
	}
	return ""
}

// Accepted returns the mismatches that were acknowledged.
func (o *Sync) Accepted() (all []run.Accepted, err error) {
	for _, text := range o.AcceptMismatch {
		a, problem := run.ParseAccepted(text)
		all, err = append(all, a), errors.Join(err, problem)
	}
	return all, err
}

// maxShards bounds how many jobs write into a bucket; a workflow's matrix has no more.
const maxShards = 256

// ShardOf reads the option of that name; the zero Shard is a run of its own.
func (o *Sync) ShardOf() (mirror.Shard, error) {
	if o.Shard == "" {
		return mirror.Shard{}, nil
	}
	number, of, _ := strings.Cut(o.Shard, "/")
	n, err := strconv.Atoi(number)
	count, err2 := strconv.Atoi(of)
	if err != nil || err2 != nil || n < 0 || n > count || count < 1 || count > maxShards {
		return mirror.Shard{}, fmt.Errorf("shard %.40q is not of the form N/OF; write 1/8 to 8/8 for eight jobs, and 0/8 for the last one, which publishes", o.Shard)
	}
	return mirror.Shard{Number: n, Of: count}, nil
}

// A checker collects what is wrong.
type checker struct {
	warnings []string
	problems []error
	used     []location
	web      string // of upstream, see webLocation
}

func (c *checker) warn(format string, args ...any) {
	c.warnings = append(c.warnings, fmt.Sprintf(format, args...))
}

// add refuses what an error is about, nothing if it is nil.
func (c *checker) add(err error) { c.problems = append(c.problems, err) }

func (c *checker) refuse(format string, args ...any) {
	c.add(fmt.Errorf(format, args...))
}

func (o *Sync) checkRootKeys(c *checker) {
	keys := cmp.Or(len(o.RootKeys), hackageRootKeys)
	for i, id := range o.RootKeys {
		if raw, err := hex.DecodeString(id); err != nil || 2*len(raw) != keyIDDigits {
			c.refuse("root key %.80q is not a key id; give all %d hexadecimal digits", id, keyIDDigits)
		}
		if slices.Contains(o.RootKeys[:i], id) {
			c.refuse("root key %.80q is given twice; name each key once", id)
		}
	}
	if o.KeyThreshold < 1 {
		c.refuse("key-threshold %d would trust anyone; use 1 or more", o.KeyThreshold)
	} else if o.KeyThreshold > keys {
		c.refuse("key-threshold %d cannot be met by %d root keys; lower it or name more keys", o.KeyThreshold, keys)
	}
}

// badRef finds what git does not accept in the name of a branch or tag.
var badRef = regexp.MustCompile(`^$|^HEAD$|^refs/|^-|[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|(^|/)(\.|/|$)|(\.|\.lock)$|\.lock/`)

func (c *checker) ref(option, name string) {
	if badRef.MatchString(name) {
		c.refuse("%s %q is not a valid name for git; use letters, digits and dashes", option, name)
	}
}

// warnOfFiles tells of secrets in files that other users can read. Windows has
// no such bits.
func (o *Sync) warnOfFiles(c *checker) {
	if runtime.GOOS == "windows" {
		return
	}
	secrets := secret.ByOption(o)
	for _, name := range slices.Sorted(maps.Keys(secrets)) {
		if file, mode := secrets[name].File(); mode&0o077 != 0 {
			c.warn("%s: other users can read %q; run chmod 600 on it", name, file)
		}
	}
}
