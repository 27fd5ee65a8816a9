package hackage

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
)

// The environment is read once in a process, so this test runs itself again with
// a proxy variable that is no URL. The password in it must not show.
func TestProxyPasswordStaysInside(t *testing.T) {
	t.Parallel()
	const password = "very-secret"
	if strings.Contains(os.Getenv("HTTPS_PROXY"), password) {
		h := hackagetest.Small()
		_, err := open(t, "https://upstream.example", hasty(h)).Metadata(t.Context(), Seen{})
		t.Fatal(err)
	}
	again := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestProxyPasswordStaysInside$")
	again.Env = append(os.Environ(), "NO_PROXY=", "no_proxy=", "HTTPS_PROXY=http://user:"+password+"@[bad")
	output, err := again.CombinedOutput()
	if err == nil || !strings.Contains(string(output), "correct the variable") || strings.Contains(string(output), "attempts") {
		t.Errorf("%v: %s", err, output)
	}
	if strings.Contains(string(output), password) {
		t.Errorf("the password shows: %s", output)
	}
}
