package hackagetest_test

import (
	"fmt"
	"io"
	"net/http"

	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
)

func Example() {
	h := hackagetest.New(hackagetest.Options{Seed: "example"})
	r := h.Upload("foo", "1.0", nil, nil)
	old := h.Generation()
	h.Revise("foo", "1.0", []byte("name: foo\nversion: 1.0\nx-revision: 1\n"))

	s := h.Serve()
	defer s.Close()
	s.Fault("/package/", hackagetest.Status(http.StatusServiceUnavailable).RetryAfter("1").Times(1))
	s.Fault("/timestamp.json", hackagetest.Stale(old))

	for range 2 {
		response, err := http.Get(s.URL + "/" + r.TarballKey())
		if err != nil {
			fmt.Println(err)
			return
		}
		body, _ := io.ReadAll(response.Body)
		response.Body.Close()
		fmt.Println(response.Status, string(body) == string(h.Generation().Tarball(r)))
	}
	for _, e := range h.Generation().Entries() {
		fmt.Println(e.Time.Format("15:04:05"), e.Path)
	}
	fmt.Println(s.Count("/"), "requests,", len(h.KeyIDs()), "keys, threshold", h.Threshold())
	// Output:
	// 503 Service Unavailable false
	// 200 OK true
	// 06:01:00 foo/1.0/foo.cabal
	// 06:01:00 foo/1.0/package.json
	// 06:02:00 foo/1.0/foo.cabal
	// 2 requests, 3 keys, threshold 2
}
