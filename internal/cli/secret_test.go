package cli

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/options"
	"github.com/hackage-mirror/hackage-mirror/internal/secret"
)

// A key that no scanner takes for one, in the form of one.
const armor = "-----BEGIN TEST KEY-----\nbm90IGEga2V5IGF0IGFsbA==\nshort\n-----END TEST KEY-----\n"

func writeSecret(t *testing.T, text string, mode os.FileMode) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(file, mode); err != nil { // whatever the umask is
		t.Fatal(err)
	}
	return file
}

func TestSecretIsNeverPrinted(t *testing.T) {
	t.Parallel()
	token, err := secret.FromEnvironment("hunter2", secret.Line)
	if err != nil {
		t.Fatal(err)
	}
	o := options.Sync{Token: token}
	hidden := struct{ s secret.Secret }{token}
	asJSON, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "token", token, "options", o)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "token", token, "options", o)
	printed := []string{token.String(), string(asJSON), log.String()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		printed = append(printed, fmt.Sprintf(verb, token), fmt.Sprintf(verb, &token),
			fmt.Sprintf(verb, o), fmt.Sprintf(verb, &o), fmt.Sprintf(verb, hidden))
	}
	bytesInDecimal := strings.Trim(fmt.Sprint([]byte("hunter2")), "[]")
	for _, text := range printed {
		for _, leak := range []string{"hunter2", fmt.Sprintf("%x", "hunter2"), bytesInDecimal} {
			if strings.Contains(text, leak) {
				t.Errorf("%q gives the secret away", text)
			}
		}
	}
	if !strings.Contains(string(asJSON), `"Token":"[secret]"`) {
		t.Errorf("JSON %s does not say that there is a secret", asJSON)
	}
}

func TestSecretRefusals(t *testing.T) {
	t.Parallel()
	large := writeSecret(t, strings.Repeat("hunter2", secret.MaxFile/7+1), 0o600)
	blank := writeSecret(t, " \n", 0o600)
	for _, test := range []struct {
		name      string
		variables map[string]string
		args      []string
		says      string
	}{
		{"passphrase by flag", nil, []string{"--signing-passphrase", "hunter2"}, "take the path of a file"},
		{"passphrase by flag with a dash", nil, []string{"--signing-passphrase", "-hunter2"}, "take the path of a file"},
		{"key by flag", nil, []string{"--signing-key", "-----BEGIN hunter2"}, "argument 3 looks like a key"},
		{"key by flag and sign", nil, []string{"--ssh-key=-----BEGIN OPENSSH PRIVATE KEY-----\nhunter2"}, "argument 2 looks like a key"},
		{"key split by a shell", nil, []string{"--ssh-key", "-----BEGIN", "hunter2", "PRIVATE", "KEY-----"}, "argument 3 looks like a key"},
		{"token by flag", nil, []string{"--token", "ghp_hunter2"}, "argument 3 looks like a key"},
		{"token by flag and sign", nil, []string{"--token=github_pat_hunter2"}, "argument 2 looks like a key"},
		{"key in a wrong option", nil, []string{"--branch", "-----BEGIN hunter2"}, "argument 3 looks like a key"},
		{"nothing by flag", nil, []string{"--token"}, "--token: its value is missing; write --token FILE"},
		{"folder", nil, []string{"--token", t.TempDir()}, "it is a folder"},
		{"large", nil, []string{"--token", large}, "longer than"},
		{"blank", nil, []string{"--token", blank}, "the secret is empty"},
		{"not a key", map[string]string{"INPUT_SIGNING-KEY": "hunter2"}, nil, "INPUT_SIGNING-KEY: it is neither"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			env, stdout, stderr := testEnv(test.variables)
			if code := echo.main(t.Context(), append([]string{"sync"}, test.args...), env); code != CodeUsage {
				t.Errorf("exit code %d, want %d", code, CodeUsage)
			}
			if !strings.Contains(stderr.String(), test.says) {
				t.Errorf("says %q, want %q", stderr, test.says)
			}
			if strings.Contains(stdout.String()+stderr.String(), "hunter2") {
				t.Errorf("%q repeats the secret", stderr)
			}
		})
	}
}

// TestSecretsInOtherOptions: what is given by an option that is for all to see is
// not told to all.
func TestSecretsInOtherOptions(t *testing.T) {
	t.Parallel()
	key := "-----BEGIN OPENSSH PRIVATE KEY-----\nhunter2\n-----END OPENSSH PRIVATE KEY-----"
	for _, text := range []string{
		"ghp_hunter2", "https://host/ghp_hunter2/x", "https://host/x?y=glpat-hunter2", "s3://name/ATBB" + strings.Repeat("hunter2", 4),
		key, strings.ReplaceAll(key, "\n", " "), base64.StdEncoding.EncodeToString([]byte(key)), "-----BEGIN PGP SECRET KEY BLOCK-----hunter2",
	} {
		parser := newTestParser(t)
		file := writeSecret(t, text, 0o600)
		for flag := range flags(parser, "sync") {
			option := flag.Name
			if flag.Target.Type() == reflect.TypeFor[secret.Secret]() {
				continue
			}
			got := refused(t, map[string]string{inputVariables(option)[0]: text})
			if !strings.Contains(got, option+" contains a private key or a token") || strings.Contains(got, "hunter2") || strings.Contains(got, "aHVudGVy") {
				t.Errorf("%s: %s", option, got)
			}
		}
		config := writeSecret(t, fmt.Sprintf("bucket: %q", text), 0o600)
		if got := refused(t, nil, "--config", config); !strings.Contains(got, "bucket contains a private key or a token") || strings.Contains(got, "hunter2") {
			t.Errorf("in a file of options: %s", got)
		}
		if got := refused(t, nil, "--bucket=./b", "--trusted-keys", file); !strings.Contains(got, "trusted-keys contains a private key") || strings.Contains(got, "hunter2") {
			t.Errorf("in a file of keys: %s", got)
		}
	}
	for _, text := range []string{"./atbb", "./ATBBackup/x", "./my-ghp_x", "s3://name/private-key"} {
		if secret.LooksLike(text) {
			t.Errorf("%q is taken for a secret", text)
		}
	}
}

func TestSecretOthersCanRead(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such bits")
	}
	for mode, want := range map[os.FileMode]int{0o600: 0, 0o400: 0, 0o640: 1, 0o604: 1} {
		o := parsed(t, nil, "--token", writeSecret(t, "abc", mode))
		warnings, err := o.Check()
		if err != nil || len(warnings) != want {
			t.Errorf("mode %o: %q, %v; want %d warnings", mode, warnings, err, want)
		}
	}
	if warnings, err := new(options.Sync).Check(); err == nil || len(warnings) != 0 {
		t.Errorf("no secrets: %q, %v; want no warnings", warnings, err)
	}
}

func TestMasks(t *testing.T) {
	t.Parallel()
	o := options.Sync{SigningKey: mustSecret(t, armor, secret.Key), Token: mustSecret(t, "abc\n", secret.Line)}
	want := []string{"bm90IGEga2V5IGF0IGFsbA==", "abc"}
	if got := secret.Masks(&o); !slices.Equal(got, want) {
		t.Errorf("masks %q, want %q", got, want)
	}
	for phrase, want := range map[string][]string{
		"a": nil, "ab\ncd": nil, "hunter2\nhunter3": {"hunter2", "hunter3"}, "hunter2": {"hunter2"}, "two words": {"two words"},
	} {
		if got := mustSecret(t, phrase, secret.Phrase).Masks(); !slices.Equal(got, want) {
			t.Errorf("masks of %q: %q, want %q", phrase, got, want)
		}
	}
}

// A secret that is added to Options must be masked and wiped like the others.
func TestEverySecretIsMaskedAndWiped(t *testing.T) {
	t.Parallel()
	var o options.Sync
	fields := reflect.ValueOf(&o).Elem()
	texts := map[string][]byte{}
	for i := range fields.NumField() {
		if name := fields.Type().Field(i).Name; fields.Field(i).Type() == reflect.TypeFor[secret.Secret]() {
			given := mustSecret(t, "secret "+name, secret.Line)
			fields.Field(i).Set(reflect.ValueOf(given))
			texts[name] = given.Bytes()
		}
	}
	if len(texts) < 4 {
		t.Fatalf("only %d secrets were found", len(texts))
	}
	masks := secret.Masks(&o)
	for name, text := range texts {
		if !slices.Contains(masks, string(text)) {
			t.Errorf("%s is not masked", name)
		}
	}
	secret.Wipe(&o)
	for name, text := range texts {
		if !bytes.Equal(text, make([]byte, len(text))) {
			t.Errorf("%s is not wiped", name)
		}
	}
}

func TestWipe(t *testing.T) {
	t.Parallel()
	o := options.Sync{Token: mustSecret(t, "abc", secret.Line)}
	other := o.Token
	raw := other.Bytes()
	secret.Wipe(&o)
	if !bytes.Equal(raw, make([]byte, 3)) || other.Bytes() != nil {
		t.Errorf("after wiping there is %q and %q", raw, other.Bytes())
	}
}

func mustSecret(t *testing.T, text string, kind secret.Kind) secret.Secret {
	t.Helper()
	given, err := secret.FromEnvironment(text, kind)
	if err != nil {
		t.Fatal(err)
	}
	return given
}
