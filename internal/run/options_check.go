package run

import (
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
	"github.com/hackage-mirror/hackage-mirror/internal/mirror"
)

// Bounds of options.
const (
	keyIDDigits     = 64      // a key id is a SHA-256
	hackageRootKeys = 6       // what stands in for an empty root-keys
	maxConcurrency  = 64      // more would be an attack on upstream
	maxKnownHosts   = 1 << 20 // bytes
)

// Check refuses options that do not fit together. It finds all that is wrong at
// once; each line of the error says what to do. Warnings are what is allowed
// but should be known. It opens no connection.
func (o *Options) Check() (warnings []string, err error) {
	c := &checker{}
	o.checkUpstream(c)
	o.checkRootKeys(c)
	o.checkDestinations(c)
	o.checkRepositories(c)
	c.ref("branch", o.Branch)
	c.ref("tag", o.Tag)
	if o.Branch == "display" {
		c.refuse(`branch "display" is where the README is kept; choose another name for the data`)
	}
	if o.Concurrency < 1 || o.Concurrency > maxConcurrency {
		c.refuse("concurrency %d is out of range; use 1 to %d", o.Concurrency, maxConcurrency)
	}
	if shard, err := o.shard(); err != nil {
		c.refuse("%w", err)
	} else if shard.Of > 0 && len(o.Bucket) == 0 {
		c.refuse("shard is for buckets, and there is none; leave it out")
	}
	if o.TimeLimit < 0 {
		c.refuse("time-limit %s is over already; use a longer one", o.TimeLimit)
	}
	if o.Watch < 0 {
		c.refuse("watch %s is over already; use a longer one", o.Watch)
	}
	if _, err := Select(o.Packages); err != nil {
		c.refuse("%w", err)
	}
	if _, err := o.KnownHosts(); err != nil {
		c.refuse("%w", err)
	}
	o.warnOfFiles(c)
	return c.warnings, errors.Join(c.problems...)
}

// KnownHosts returns the lines of ssh-known-hosts, from the file it names or
// from its own text; nil when it is not set.
func (o *Options) KnownHosts() ([]byte, error) {
	value := strings.TrimSpace(o.SSHKnownHosts)
	if value == "" {
		return nil, nil
	}
	if isFile(value) {
		raw, err := readLimited(value, maxKnownHosts)
		if err != nil {
			return nil, fmt.Errorf("read ssh-known-hosts %q: %w", value, err)
		}
		return raw, nil
	}
	if !strings.ContainsAny(value, " \t") {
		return nil, fmt.Errorf("ssh-known-hosts %.200q is neither a file nor lines of one; ssh-keyscan prints such lines, to be compared with what the host publishes", value)
	}
	return []byte(value + "\n"), nil
}

// bucketDefaults returns what stands in for parameters that the address of a
// bucket lacks.
func (o *Options) bucketDefaults() (bucket.Options, error) {
	defaults := bucket.Options{Region: o.S3Region, PathStyle: o.S3PathStyle}
	if o.S3Endpoint == "" {
		return defaults, nil
	}
	var err error
	if defaults.Endpoint, err = bucket.ParseEndpoint(o.S3Endpoint); err != nil {
		return defaults, fmt.Errorf("s3-endpoint: %w; write it as https://HOST", err)
	}
	return defaults, nil
}

// publicURL returns the mirror's address for the records, "" for none.
func (o *Options) publicURL() string {
	if o.PublicURL != "" {
		return o.PublicURL
	}
	for _, text := range o.Bucket {
		if address, err := bucket.ParseAddress(text); err == nil && address.PublicURL != "" {
			return address.PublicURL
		}
	}
	return ""
}

// maxShards bounds how many jobs fill a bucket; a workflow's matrix has no more.
const maxShards = 256

// shard reads the option of that name; the zero Shard is a run of its own.
func (o *Options) shard() (mirror.Shard, error) {
	if o.Shard == "" {
		return mirror.Shard{}, nil
	}
	number, of, _ := strings.Cut(o.Shard, "/")
	n, err := strconv.Atoi(number)
	count, err2 := strconv.Atoi(of)
	if err != nil || err2 != nil || n < 0 || n > count || count < 1 || count > maxShards {
		return mirror.Shard{}, fmt.Errorf("shard %.40q is not a share; write 1/8 to 8/8 for eight jobs, and 0/8 for the last one, which publishes", o.Shard)
	}
	return mirror.Shard{Number: n, Of: count}, nil
}

// A checker collects what is wrong.
type checker struct {
	warnings []string
	problems []error
}

func (c *checker) warn(format string, args ...any) {
	c.warnings = append(c.warnings, fmt.Sprintf(format, args...))
}

func (c *checker) refuse(format string, args ...any) {
	c.problems = append(c.problems, fmt.Errorf(format, args...))
}

func (o *Options) checkUpstream(c *checker) {
	switch scheme := c.address("upstream", o.Upstream); {
	case strings.TrimSpace(o.Upstream) == "":
		c.refuse("upstream is empty; leave it out to mirror hackage.haskell.org")
	case scheme == "http":
		c.warn("upstream is read over http: what comes is verified, but anyone on the way can see it or hold it back")
	case !slices.Contains([]string{"", "https", "file"}, scheme):
		c.refuse("upstream cannot be read by %q; use https, http or a folder", scheme)
	}
}

func (o *Options) checkRootKeys(c *checker) {
	keys := hackageRootKeys
	if len(o.RootKeys) > 0 {
		keys = len(o.RootKeys)
	}
	for i, id := range o.RootKeys {
		if raw, err := hex.DecodeString(id); err != nil || 2*len(raw) != keyIDDigits {
			c.refuse("root key %.80q is not a key id; give all %d hexadecimal digits", id, keyIDDigits)
		}
		if slices.Contains(o.RootKeys[:i], id) {
			c.refuse("root key %.80q is there twice; name each key once", id)
		}
	}
	if o.KeyThreshold < 1 {
		c.refuse("key-threshold %d would trust anyone; use 1 or more", o.KeyThreshold)
	} else if o.KeyThreshold > keys {
		c.refuse("key-threshold %d can never be met by %d root keys; lower it or name more keys", o.KeyThreshold, keys)
	}
}

func (o *Options) checkDestinations(c *checker) {
	if len(o.Bucket) == 0 && o.FilesRepository == "" && o.HashesRepository == "" {
		c.refuse("no destination; give at least one of bucket, files-repository and hashes-repository")
	}
	seen := make(map[string]bool)
	for _, text := range o.Bucket {
		address, err := bucket.ParseAddress(text)
		if err != nil {
			c.refuse("bucket: %w", err)
			continue
		}
		key := address.String()
		if address.Folder != "" {
			key = filepath.Clean(address.Folder)
		}
		if seen[key] {
			c.refuse("bucket %q is there twice; name each bucket once", bucketName(text))
		}
		seen[key] = true
	}
	if _, err := o.bucketDefaults(); err != nil {
		c.refuse("%w", err)
	}
	o.checkPublicURL(c)
}

func (o *Options) checkPublicURL(c *checker) {
	if o.PublicURL == "" {
		return
	}
	u, err := url.Parse(o.PublicURL)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		c.refuse("public-url is not an http(s) address; write it as https://HOST/PATH")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		c.refuse("public-url has more than a host and a path; it is published, and package/NAME-VERSION.tar.gz is added to it")
	}
}

func (o *Options) checkRepositories(c *checker) {
	if o.FilesRepository == "" && o.HashesRepository == "" {
		return
	}
	if !o.SigningKey.IsSet() {
		c.refuse("the repositories need a signing-key; `gpg --export-secret-keys --armor KEYID` writes one, or leave the repositories out")
	}
	if o.FilesRepository != "" && sameRepository(o.FilesRepository, o.HashesRepository) {
		c.refuse("files-repository and hashes-repository are the same; they hold different trees, so give two repositories")
	}
	c.repository("files-repository", o.FilesRepository, o.Token.IsSet())
	c.repository("hashes-repository", o.HashesRepository, o.Token.IsSet())
}

func (c *checker) repository(option, value string, token bool) {
	switch scheme := c.address(option, value); scheme {
	case "", "https", "ssh", "file":
	case "http":
		if token {
			c.warn("%s is written over http: the token crosses the network in the clear", option)
		}
	default:
		c.refuse("%s cannot be written by %q; use ssh, https or a path", option, scheme)
	}
}

// address returns the scheme of an address, "" for a path or scp's form. An
// address with a password is refused and not repeated.
func (c *checker) address(option, value string) string {
	scheme, _, ok := strings.Cut(value, "://")
	if !ok {
		return ""
	}
	u, err := url.Parse(value)
	if err != nil {
		// The error of url.Parse repeats the address, password and all.
		c.refuse("%s is not an address; write it as https://HOST/PATH or as a path", option)
		return strings.ToLower(scheme)
	}
	if _, has := u.User.Password(); has {
		c.refuse("%s has a password in it, which would end up in logs; use token or ssh-key", option)
	}
	return u.Scheme
}

// ref refuses what git would not take as the name of a branch or tag.
func (c *checker) ref(option, name string) {
	bad := name == "" || name == "HEAD" || strings.ContainsAny(name, " ~^:?*[\\\x7f") ||
		strings.HasPrefix(name, "-") || strings.HasSuffix(name, ".") ||
		strings.Contains(name, "..") || strings.Contains(name, "@{") ||
		strings.ContainsFunc(name, func(r rune) bool { return r < ' ' })
	for part := range strings.SplitSeq(name, "/") {
		bad = bad || part == "" || strings.HasPrefix(part, ".") || strings.HasSuffix(part, ".lock")
	}
	if bad {
		c.refuse("%s %q is not a name that git takes; use letters, digits and dashes", option, name)
	}
}

// warnOfFiles tells of secrets in files that other users can read. Windows has
// no such bits.
func (o *Options) warnOfFiles(c *checker) {
	if runtime.GOOS == "windows" {
		return
	}
	secrets := o.secrets()
	for _, name := range slices.Sorted(maps.Keys(secrets)) {
		if file, mode := secrets[name].file(); mode&0o077 != 0 {
			c.warn("%s: other users can read %q; chmod 600 takes that away", name, file)
		}
	}
}

// sameRepository reports whether two remotes are the same but for the ends that
// hosts and git ignore.
func sameRepository(a, b string) bool {
	plain := func(s string) string {
		return strings.TrimSuffix(strings.TrimRight(s, "/"), ".git")
	}
	return plain(a) == plain(b)
}

// isFile reports whether path names something to read, which a folder is not.
func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && !info.IsDir()
}
