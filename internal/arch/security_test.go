package arch

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// The tests that SECURITY.md names as its witnesses are there.
func TestSecurityNamesTests(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../SECURITY.md")
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile("`(Test[A-Z][A-Za-z0-9]+)`").FindAllSubmatch(page, -1)
	if len(names) < 10 {
		t.Errorf("it names only %d tests", len(names))
	}
	out, err := exec.Command("grep", "-rhoE", "--include=*_test.go", `^func Test[A-Za-z0-9]+`, "..").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if !strings.Contains(string(out), "func "+string(name[1])+"\n") {
			t.Errorf("there is no %s", name[1])
		}
	}
}
