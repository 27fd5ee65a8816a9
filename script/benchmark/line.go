package main

import (
	"bytes"
	"net"
	"sync/atomic"
	"time"
)

// A line is a way to an address on loopback that is as long as one likes: what
// travels over it arrives late, in both directions. It is as wide as the machine is
// fast.
type line struct {
	net.Listener
	to  string
	rtt time.Duration // there and back; opening a connection takes it once
	// requests, of HTTP in the clear, connections, and bytes in both directions.
	requests, connections, bytes atomic.Int64
}

// newLine returns one to HOST:PORT.
func newLine(to string, rtt time.Duration) (*line, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	l := &line{Listener: listener, to: to, rtt: rtt}
	if err == nil {
		go l.serve()
	}
	return l, err
}

// serve carries connections until the line is closed.
func (l *line) serve() {
	for {
		near, err := l.Accept()
		if err != nil {
			return
		}
		l.connections.Add(1)
		go func() {
			time.Sleep(l.rtt)
			far, err := net.Dial("tcp", l.to)
			if err != nil {
				_ = near.Close() // as one that refuses
				return
			}
			go l.carry(near, far, new(atomic.Int64))
			l.carry(far, near, &l.requests)
		}()
	}
}

// carry sends on what comes, half of the time there and back later, and its end.
func (l *line) carry(to, from net.Conn, requests *atomic.Int64) {
	type piece struct {
		raw []byte
		due time.Time
	}
	travelling := make(chan piece, 1<<12)
	go func() {
		defer close(travelling)
		for raw, err := []byte(nil), error(nil); err == nil; {
			n := 0
			raw = make([]byte, 1<<15)
			n, err = from.Read(raw)
			travelling <- piece{raw[:n], time.Now().Add(l.rtt / 2)}
		}
	}()
	for p := range travelling {
		time.Sleep(time.Until(p.due))
		requests.Add(int64(bytes.Count(p.raw, []byte(" HTTP/1.1\r\n"))))
		l.bytes.Add(int64(len(p.raw)))
		_, _ = to.Write(p.raw) // who has gone wants no more
	}
	_ = to.(*net.TCPConn).CloseWrite()
}
