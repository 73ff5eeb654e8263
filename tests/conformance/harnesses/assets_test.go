// Package harnesses starts the server under test the way test environments of Kubernetes start their etcd: with their own
// code, at the versions of the API server, wherever that code is a Go module or part of one.
package harnesses

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const patience = 2 * time.Minute

// assets is a folder with the server under test as `etcd`, and the real tools beside it.
func assets(t *testing.T) string {
	t.Helper()
	tools, server := os.Getenv("ETCD_TOOLS"), os.Getenv("SERVER")
	if tools == "" || server == "" {
		t.Fatal("ETCD_TOOLS and SERVER are not set; tests/conformance/run --tier full does it")
	}
	folder := t.TempDir()
	for name, target := range map[string]string{
		"etcd": server, "etcdctl": tool(tools, "etcdctl"), "etcdutl": tool(tools, "etcdutl"),
		"kube-apiserver": tool(tools, "kube-apiserver"), "kubectl": tool(tools, "kubectl"),
	} {
		if _, err := os.Stat(target); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(target, filepath.Join(folder, name)); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

func tool(folder, name string) string { return filepath.Join(folder, name) }

// onPath puts the folder in front of the PATH of the test.
func onPath(t *testing.T, folder string) {
	t.Setenv("PATH", folder+":"+os.Getenv("PATH"))
}

// command is a command that ends with the test, at the latest after the test's patience.
func command(t *testing.T, name string, arguments ...string) *exec.Cmd {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return exec.CommandContext(ctx, name, arguments...)
}

// output runs a command that has to succeed.
func output(t *testing.T, name string, arguments ...string) string {
	t.Helper()
	text, err := command(t, name, arguments...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(arguments, " "), err, text)
	}
	return string(text)
}

// module is the folder of a module's source.
func module(t *testing.T, path string) string {
	t.Helper()
	return strings.TrimSpace(output(t, "go", "list", "-m", "-f", "{{.Dir}}", path))
}

func freePort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	return port
}

func get(t *testing.T, url string) (code int, text string) {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		return 0, err.Error()
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(response.Body)
	return response.StatusCode, string(body)
}
