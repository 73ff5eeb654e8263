package harnesses

import (
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/cmd/kubeadm/app/apis/kubeadm"
	"k8s.io/kubernetes/cmd/kubeadm/app/phases/etcd"
)

// kubeadm's static pod, made by kubeadm's own code. What is about TLS is taken out of its command line, and its ports, which
// may be taken here, are others; all else is as it stands, the probes too.
func TestTheStaticPodOfKubeadm(t *testing.T) {
	onPath(t, assets(t))
	configuration := &kubeadm.ClusterConfiguration{
		KubernetesVersion: "v1.36.4",
		CertificatesDir:   "/etc/kubernetes/pki",
		Etcd:              kubeadm.Etcd{Local: &kubeadm.LocalEtcd{DataDir: t.TempDir()}},
	}
	pod := etcd.GetEtcdPodSpec(configuration, &kubeadm.APIEndpoint{AdvertiseAddress: "127.0.0.2"}, "node", nil)
	container := pod.Spec.Containers[0]
	client, peer, metrics := freePort(t), freePort(t), freePort(t)
	words := strings.NewReplacer("https://", "http://", ":2379", ":"+client, ":2380", ":"+peer, ":2381", ":"+metrics)
	var line []string
	for _, word := range container.Command {
		if !aboutTLS(word) {
			line = append(line, words.Replace(word))
		}
	}
	if len(line) < 10 || len(line) == len(container.Command) || line[0] != "etcd" {
		t.Fatalf("kubeadm's command line is %v", container.Command)
	}
	t.Logf("the command line: %s", strings.Join(line, " "))
	process := start(t, line)
	for name, probe := range map[string]*corev1.Probe{
		"startup": container.StartupProbe, "readiness": container.ReadinessProbe, "liveness": container.LivenessProbe,
	} {
		url := fmt.Sprintf("http://%s:%s%s", probe.HTTPGet.Host, metrics, probe.HTTPGet.Path)
		awaitOK(t, name, url)
	}
	for _, host := range []string{"127.0.0.1", "127.0.0.2"} {
		if got := output(t, "etcdctl", "--endpoints="+host+":"+client, "endpoint", "health"); !strings.Contains(got, "is healthy") {
			t.Errorf("etcdctl says %s", got)
		}
	}
	end(t, process)
}

// aboutTLS tells what kubeadm's command line says about TLS.
func aboutTLS(word string) bool {
	flag, _, _ := strings.Cut(word, "=")
	return slices.ContainsFunc([]string{"cert-file", "key-file", "ca-file", "cert-auth"}, func(end string) bool {
		return strings.HasSuffix(flag, end)
	})
}

func start(t *testing.T, line []string) *exec.Cmd {
	t.Helper()
	process := exec.Command(line[0], line[1:]...)
	var log strings.Builder
	process.Stdout, process.Stderr = &log, &log
	process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = process.Process.Kill()
		_ = process.Wait()
		if t.Failed() {
			t.Logf("the server said\n%s", log.String())
		}
	})
	return process
}

func awaitOK(t *testing.T, name, url string) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		code, text := get(t, url)
		if code == 200 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s (%s): %d %s", name, url, code, text)
		}
	}
}

func end(t *testing.T, process *exec.Cmd) {
	t.Helper()
	_ = process.Process.Signal(syscall.SIGTERM)
	ended := make(chan error, 1)
	go func() { ended <- process.Wait() }()
	select {
	case err := <-ended:
		t.Logf("after SIGTERM: %v", err)
	case <-time.After(patience):
		t.Error("the server does not end after SIGTERM")
	}
}
