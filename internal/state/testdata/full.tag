Update from Hackage at 2026-11-22T06:00:00Z

Repository: hashes
Branch: hackage
Alarm: a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1 2026-11-22T05:00:00Z b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2 2026-11-22T05:30:00Z
Index-Length: 557842432
Index-Time: 2026-11-22T06:00:00Z
Index-Midstate: c759dec327d93651be69c4afbb77a10abcd4a8eaf08937765d32e9d48f363e70
Root-Version: 7
Timestamp-Version: 1234
Snapshot-Version: 1200
Mirrors-Version: 3
Index-SHA256: 1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b
Timestamp-SHA256: 0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a
Timestamp-ETag: W/"5f-\"x\""
Timestamp-Expires: 2026-11-25T06:00:00Z
Root-Expires: 2027-08-01T00:00:00Z
Mirrors-Expires: 2027-07-01T00:00:00Z
Packages: !acme-*,servant-*
Pending: a-2 mismatch since=2026-11-20T00:00:00Z tarball=1:e3b98a4da31a127d4bde6e43033f66ba274cab0eb7eb1c70ec41402bf6273dd8 replaced
Pending: a-b-2.0.10 missing since=2026-11-21T23:59:59Z cabal=1536+700:2123209b98b16083c69c91152b861785d5a20698b33c13bd9e16f492936563c7 tarball=4711:db4b4d0d1cb480bf9aeea253771c00febe627f236765fa37d6a5614f079a3aa0 revisions=2
Pending: b-1 unsigned since=2026-11-01T00:00:00Z
Tool: hackage-mirror v1.2.3
