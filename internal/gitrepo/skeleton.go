// Package gitrepo reads the newest state of a git remote, makes trees and
// signed commits and tags on top of it, and pushes them in one atomic step.
package gitrepo

import (
	"context"
	"errors"
	"iter"
	"time"
)

// Sentinels, found with errors.Is.
var (
	// ErrMoved: a ref of the remote is not where the caller last saw it.
	ErrMoved = errors.New("the remote has moved")
	// ErrRefused: a hook or rule of the remote refused the push; its words are in the error.
	ErrRefused = errors.New("the remote refused the push")
	// ErrAuth: the remote did not take the key or token.
	ErrAuth = errors.New("the remote did not accept our credentials")
	// ErrHostKey: the remote's ssh host key is not a known one.
	ErrHostKey = errors.New("the remote's host key is not a known one")
	// ErrNoRepository: there is no repository at the address.
	ErrNoRepository = errors.New("no git repository there")
	// ErrObjectFormat: the remote's object ids are not SHA-1.
	ErrObjectFormat = errors.New("the remote does not use SHA-1 object ids")
	// ErrTooLarge: an object is larger than MaxObject.
	ErrTooLarge = errors.New("object too large")
	// ErrURL: not an address that we take.
	ErrURL = errors.New("not a repository address")
	// ErrPassphrase: the signing key's passphrase is wrong or lacking.
	ErrPassphrase = errors.New("wrong or missing passphrase")
	// ErrNotPrivate: a public key was given where a private one is needed.
	ErrNotPrivate = errors.New("not a private key")
	// ErrKeyExpired: the signing key has expired.
	ErrKeyExpired = errors.New("signing key expired")
	// ErrCannotSign: no part of the key may or can sign.
	ErrCannotSign = errors.New("key cannot sign")
	// ErrSignature: a signature does not fit its bytes and key.
	ErrSignature = errors.New("bad signature")
)

// EmptyTree is the id of the tree without entries.
const EmptyTree = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"

// MaxObject is the largest object, in bytes, that Blob, BlobByID, ReadTag and ReadCommit take.
const MaxObject = 64 << 20

// Auth is what a remote may want to see. Every part is optional.
type Auth struct {
	SSHKey     []byte // private key without passphrase, PEM or OpenSSH form
	KnownHosts []byte // lines as in ssh's known_hosts; empty: GitHub's, embedded
	Token      []byte // sent over https as x-access-token
}

// Options say which remote to open and where to work.
type Options struct {
	Dir           string              // private temporary folder, exists, owned by the caller
	URL           string              // path, file://, ssh://, user@host:path, https://, http://
	Auth          Auth                //
	Create        bool                // make a path remote that does not exist, bare
	InitialBranch string              // HEAD of a remote made by Create, without refs/heads/
	Getenv        func(string) string // nil: os.Getenv
}

// A Repo is a bare local repository beside one remote. Its methods are for one goroutine.
type Repo struct{}

// Open checks git's version and the URL and makes the local repository.
func Open(ctx context.Context, o Options) (*Repo, error) { panic("soon") }

// Close ends all child processes and wipes secrets.
func (r *Repo) Close() error { panic("soon") }

// String returns the remote's URL without userinfo.
func (r *Repo) String() string { panic("soon") }

// Refs lists the remote's refs by full name (and HEAD), with "^{}" entries for annotated tags. Empty remote: empty map.
func (r *Repo) Refs(ctx context.Context) (map[string]string, error) { panic("soon") }

// Fetch brings refs (full names), depth 1, and returns the id each has, which may be newer than what Refs said. fs.ErrNotExist when the remote lacks one.
func (r *Repo) Fetch(ctx context.Context, refs ...string) (map[string]string, error) { panic("soon") }

// Identity is who made an object.
type Identity struct{ Name, Email string }

// Commit is a commit object.
type Commit struct {
	Tree          string
	Parents       []string
	Author        Identity
	AuthorWhen    time.Time
	Committer     Identity
	CommitterWhen time.Time
	Message       string
	Signature     string // armored; only set by ReadCommit
	Signed        []byte // the bytes the signature covers; only set by ReadCommit
}

// Tag is an annotated tag object.
type Tag struct {
	Object    string
	Type      string // of Object; "" is "commit"
	Name      string
	Tagger    Identity
	When      time.Time
	Message   string
	Signature string // armored; only set by ReadTag
	Signed    []byte // the bytes the signature covers; only set by ReadTag
}

// ReadTag reads an annotated tag object. fs.ErrNotExist when lacking.
func (r *Repo) ReadTag(ctx context.Context, id string) (Tag, error) { panic("soon") }

// ReadCommit reads a commit object. fs.ErrNotExist when lacking.
func (r *Repo) ReadCommit(ctx context.Context, id string) (Commit, error) { panic("soon") }

// File is a leaf of a tree.
type File struct {
	Path string
	Mode string // six octal digits, 100644 for a plain file
	ID   string
}

// Tree lists all files below a commit or tree, in git's order (a folder sorts as if it ended in a slash).
func (r *Repo) Tree(ctx context.Context, commit string) iter.Seq2[File, error] { panic("soon") }

// Blob reads the file at path in rev. fs.ErrNotExist, ErrTooLarge.
func (r *Repo) Blob(ctx context.Context, rev, path string) ([]byte, error) { panic("soon") }

// BlobByID reads a blob. fs.ErrNotExist, ErrTooLarge.
func (r *Repo) BlobByID(ctx context.Context, id string) ([]byte, error) { panic("soon") }

// BlobID returns the id git gives to a file of this content.
func BlobID(content []byte) string { panic("soon") }

// Import makes trees through one fast-import process.
type Import struct{}

// Import starts on top of parent's tree (a commit id; "": the empty tree).
func (r *Repo) Import(ctx context.Context, parent string) (*Import, error) { panic("soon") }

// Write sets a plain file. Bad paths are refused at once.
func (im *Import) Write(path string, content []byte) error { panic("soon") }

// Remove removes a file or folder; one that is not there is no error.
func (im *Import) Remove(path string) error { panic("soon") }

// Tree ends one tree; following writes build on it.
func (im *Import) Tree() (id string, changed bool, err error) { panic("soon") }

// Close ends the process; after it all objects are on disk and can be read and pushed.
func (im *Import) Close() error { panic("soon") }

// Signer makes OpenPGP signatures.
type Signer struct{}

// NewSigner reads a private key, armored or binary.
func NewSigner(key, passphrase []byte, now func() time.Time) (*Signer, error) { panic("soon") }

// Identity is the key's primary user id.
func (s *Signer) Identity() Identity { panic("soon") }

// Fingerprint of the primary key, upper-case hex.
func (s *Signer) Fingerprint() string { panic("soon") }

// PublicKey is armored.
func (s *Signer) PublicKey() []byte { panic("soon") }

// Expires is the earliest expiry of what signing needs; false: never.
func (s *Signer) Expires() (time.Time, bool) { panic("soon") }

// GenerateKey makes an Ed25519 key without passphrase, armored.
func GenerateKey(id Identity, now time.Time) ([]byte, error) { panic("soon") }

// VerifySignature checks a detached armored signature and returns the signing key's primary fingerprint. ErrSignature.
func VerifySignature(publicKey, signed []byte, signature string, now time.Time) (string, error) { panic("soon") }

// WriteCommit makes a signed commit (Signature and Signed of c are ignored; nil signer: unsigned), verified before kept.
func (r *Repo) WriteCommit(ctx context.Context, c Commit, s *Signer) (id string, err error) { panic("soon") }

// WriteTag makes a signed tag, verified before kept.
func (r *Repo) WriteTag(ctx context.Context, t Tag, s *Signer) (id string, err error) { panic("soon") }

// Flush puts all written commits and tags on disk; Import, Push and reads do it by themselves.
func (r *Repo) Flush(ctx context.Context) error { panic("soon") }

// Update moves one ref.
type Update struct {
	Ref   string // full name
	Old   string // where it is now; "": it must not exist
	New   string
	Force bool // may be no descendant of Old (a tag); refused for refs/heads/
}

// Push moves all refs or none. ErrMoved, ErrRefused, ErrAuth.
func (r *Repo) Push(ctx context.Context, updates ...Update) error { panic("soon") }
