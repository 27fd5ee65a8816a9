// Package index reads Hackage's index, 01-index.tar, as the append-only log
// that it is.
//
// # The log
//
// The index is a tar file that only grows: each upload, revision or change of
// preferred versions appends entries, and nothing in front of them ever
// changes. Three names are known, and only for regular files:
//
//	NAME/VERSION/NAME.cabal       a package description; a repeat is a revision
//	NAME/VERSION/package.json     length and SHA-256 of the release's tarball
//	NAME/preferred-versions       newest wins, empty means no constraint
//
// NAME and VERSION follow Cabal's grammar (see CheckPackage and CheckVersion),
// so the parts of a valid path are safe as file names, in URLs and in git
// trees. Names that differ only by case are different names. Every other entry
// is counted by reason and skipped, never an error: a new kind of file on
// Hackage must not stop a mirror. What is an error is a tar file that cannot be
// read on: a bad header checksum or a cut in the middle of an entry.
//
// Two writers are known: the Hackage server, whose entries carry the
// uploader's name as owner, and the reference tool hackage-repo-tool. Both
// write plain ustar; the long-name headers of GNU and PAX are read too, and
// belong to the entry that they name.
//
// # Positions and proof
//
// Readers remember a Position: the length of a prefix of whole entries, and
// SHA-256's state behind it. The signed metadata name the digest of the whole
// file, zero blocks included; Log resumes the hash at a position, reads the
// rest, and Finish compares. A rest that gives the signed digest proves the
// prefix too, unless the stored state itself was edited; Log.At says what the
// state at a length ought to be when the index is read from an earlier point, and
// ScanEach does so for several readers at once.
//
// What that cannot prove is that the first byte behind it is the first of an
// entry: only who reads from the start knows, or who can trust the position.
//
// # Who reads the index in a run
//
// What follows the oldest position of a run's destinations is on disk, and is read more
// than once. One reading proves it: that of ScanEach and Finish, which is one for all
// destinations. Before it the bytes were hashed as they came, which proves them, but no
// position; every later reading trusts that they are these, and its hash is compared
// with nothing:
//
//   - each bucket's writer reads the .cabal files while tarballs come,
//   - each repository reads every entry once the last tarball has come, because only
//     then is it known which releases it can list,
//   - where the time was up, what a repository is given is summed up once more,
//   - 01-index.tar is read to be put, and where its beginning is in place already what
//     follows is read for its checksum before,
//   - the feed reads the entries that readers are told of, when all that is done, and
//   - 00-index.tar.gz, where it is due, is made of the whole index.
//
// They are not one reading because they are not at one time: what the first has read
// would have to wait in memory for the last, and in a first fill that is the whole
// index. A Delta spares those who need no content a reading of their own.
//
// Nothing here holds the index in memory or trusts a length that an entry
// declares: content is held for entries up to MaxEntry, and grows with the
// bytes that really arrive.
package index
