// Package arch holds no code, only a test of how the packages of this
// repository may depend on one another.
//
// Every room (a folder with Go files) has a line in the test's table with the
// rooms that it may import. Imports point back along the flow of a run, from the
// command line through the run and its destinations to the verified values of tuf
// and index:
//
//   - A room that is not in the table fails the test, so a new room's place is
//     decided on purpose. So does a permission that nobody uses.
//   - tuf takes bytes and a time and returns verified values. It may use the
//     standard library only.
//   - gitrepo knows nothing of Hackage, bucket nothing of what is put into it.
//   - Nothing but the command itself imports cli, and only tests import the
//     rooms whose names end with test, and testdata/hackage.
//   - Who talks HTTP or ssh, starts programs, reads keys or uses the AWS SDK is
//     named, and nobody logs: errors are returned.
package arch
