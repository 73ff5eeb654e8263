// Package inspect tests `regent inspect`, which looks into the data folder of a stopped node: what it prints is compared
// with what a client has done, damage must be named, and nothing in the folder may change.
package inspect

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"regent/tests/conformance/counters"
	"regent/tests/conformance/server"
)

func TestMain(m *testing.M) {
	code := counters.Main(m, "inspections", "log lines compared", "store rows compared", "places damaged", "folders hashed")
	server.EndShared()
	os.Exit(code)
}

// seen is what an inspection printed, and its exit code.
type seen struct {
	code        int
	out, errors string
}

func inspect(t testing.TB, words ...string) seen {
	t.Helper()
	return run(t, exec.CommandContext(server.Context(t), server.Binary(), append([]string{"inspect"}, words...)...))
}

func run(t testing.TB, command *exec.Cmd) seen {
	t.Helper()
	var out, errors bytes.Buffer
	command.Stdout, command.Stderr = &out, &errors
	if err := command.Run(); err != nil && command.ProcessState == nil {
		t.Fatal(err)
	}
	counters.Add("inspections", 1)
	return seen{command.ProcessState.ExitCode(), out.String(), errors.String()}
}

// object is one line of JSON.
type object = map[string]any

// lines reads JSON lines; numbers keep all their digits.
func lines(t testing.TB, text string) []object {
	t.Helper()
	var all []object
	for line := range strings.Lines(text) {
		all = append(all, parse(t, line))
	}
	return all
}

func parse(t testing.TB, text string) object {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var one object
	if err := decoder.Decode(&one); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return one
}

// differences says where two lists of lines differ.
func differences(got, want []object) []string {
	var found []string
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got):
			found = append(found, fmt.Sprintf("line %d is missing: %v", i+1, want[i]))
		case i >= len(want):
			found = append(found, fmt.Sprintf("line %d is too much: %v", i+1, got[i]))
		case !reflect.DeepEqual(got[i], want[i]):
			found = append(found, fmt.Sprintf("line %d:\n got %v\nwant %v", i+1, got[i], want[i]))
		}
	}
	return found
}

func number(n any) json.Number { return json.Number(fmt.Sprint(n)) }

// hash covers names, modes, times of change and contents of everything below the folder.
func hash(t testing.TB, folder string) string {
	t.Helper()
	sum := sha256.New()
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		facts, err := entry.Info()
		if err != nil {
			return err
		}
		fmt.Fprintln(sum, strings.TrimPrefix(path, folder), facts.Mode(), facts.ModTime().UnixNano())
		if entry.Type().IsRegular() {
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			sum.Write(content)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	counters.Add("folders hashed", 1)
	return fmt.Sprintf("%x", sum.Sum(nil))
}

// copyOf is the folder once more, for the test alone.
func copyOf(t testing.TB, folder string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(to, os.DirFS(folder)); err != nil {
		t.Fatal(err)
	}
	return to
}

// flip changes the byte at the offset; a negative one counts from the end.
func flip(t testing.TB, path string, offset int64) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if offset < 0 {
		offset += int64(len(content))
	}
	content[offset] ^= 0x41
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// The checks of this package must see what they are there for.
func TestTheChecksFindWhatIsPlanted(t *testing.T) {
	want := lines(t, `{"index":1,"request":{"put":{"key":"YQ=="}}}`+"\n"+`{"index":2,"request":{}}`+"\n")
	for _, planted := range []string{
		`{"index":1,"request":{"put":{"key":"Yg=="}}}` + "\n" + `{"index":2,"request":{}}` + "\n",
		`{"index":1,"request":{"put":{"key":"YQ=="}}}` + "\n",
		`{"index":1,"request":{"put":{"key":"YQ==","lease":"0"}}}` + "\n" + `{"index":2,"request":{}}` + "\n",
		`{"index":"1","request":{"put":{"key":"YQ=="}}}` + "\n" + `{"index":2,"request":{}}` + "\n",
	} {
		if len(differences(lines(t, planted), want)) == 0 {
			t.Errorf("no difference is seen in %s", planted)
		}
	}
	folder := t.TempDir()
	path := filepath.Join(folder, "file")
	if err := os.WriteFile(path, []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	before := hash(t, folder)
	flip(t, path, 3)
	if hash(t, folder) == before {
		t.Error("a flipped byte does not change the hash")
	}
}
