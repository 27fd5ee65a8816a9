Update from Hackage at 2026-11-22T06:00:00Z

Index-Length: 0
Index-Time: 
Index-Midstate: 0000000000000000000000000000000000000000000000000000000000000000
Root-Version: 0
Timestamp-Version: 0
Snapshot-Version: 0
Mirrors-Version: 0
Tool: hackage-mirror v1.2.3
