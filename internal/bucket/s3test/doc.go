// Package s3test starts a real S3 server for tests: versitygw, as the tools
// module pins it, on a loopback port, over a folder that the test owns.
//
// The server is built once and kept in the user's cache folder under its
// version; that takes one to two minutes. Where it cannot be built or started
// the test is skipped, and under CI=true it fails.
package s3test
