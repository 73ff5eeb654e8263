package harnesses

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// envtest is what tests of controllers run on: it finds etcd and kube-apiserver in KUBEBUILDER_ASSETS.
func TestEnvtest(t *testing.T) {
	folder := assets(t)
	t.Setenv("KUBEBUILDER_ASSETS", folder)
	environment := &envtest.Environment{ControlPlaneStartTimeout: patience, ControlPlaneStopTimeout: patience}
	began := time.Now()
	config, err := environment.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("ready after %.1f s", time.Since(began).Seconds())
	stopped := false
	t.Cleanup(func() {
		if !stopped {
			_ = environment.Stop()
		}
	})

	// envtest asks the help whether the server can do without syncing.
	if !regexp.MustCompile(`(?m)^\s*--unsafe-no-fsync\b`).MatchString(output(t, folder+"/etcd", "--help")) {
		t.Error("the help does not have --unsafe-no-fsync on a line of its own")
	}
	if flags := commandLineOf(t, environment.ControlPlane.Etcd.DataDir); !slices.Contains(flags, "--unsafe-no-fsync=true") {
		t.Errorf("envtest starts the server with %v", flags)
	}

	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	roundTrip(t, client)

	began = time.Now()
	if err := environment.Stop(); err != nil {
		t.Errorf("envtest cannot end the control plane: %v", err)
	}
	stopped = true
	t.Logf("ended after %.1f s", time.Since(began).Seconds())
}

// roundTrip creates an object and sees it through a watch and in a list.
func roundTrip(t *testing.T, client kubernetes.Interface) {
	t.Helper()
	api := client.CoreV1().ConfigMaps("default")
	list, err := api.List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	watch, err := api.Watch(t.Context(), metav1.ListOptions{ResourceVersion: list.ResourceVersion})
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Stop()
	object := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "round-trip"}, Data: map[string]string{"a": "b"}}
	if _, err := api.Create(t.Context(), object, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	select {
	case event := <-watch.ResultChan():
		if seen, is := event.Object.(*corev1.ConfigMap); !is || seen.Name != object.Name || seen.Data["a"] != "b" {
			t.Errorf("the watch says %+v", event)
		}
	case <-time.After(patience):
		t.Error("the watch says nothing")
	}
	if list, err = api.List(t.Context(), metav1.ListOptions{}); err != nil || !slices.ContainsFunc(list.Items,
		func(item corev1.ConfigMap) bool { return item.Name == object.Name }) {
		t.Errorf("the list says %v %+v", err, list)
	}
}

// commandLineOf finds the process whose command line names the data folder.
func commandLineOf(t *testing.T, dataFolder string) []string {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		text, _ := os.ReadFile("/proc/" + entry.Name() + "/cmdline")
		words := strings.Split(string(text), "\x00")
		if slices.Contains(words, "--data-dir="+dataFolder) {
			return words
		}
	}
	t.Fatalf("no process has the data folder %s", dataFolder)
	return nil
}
