package differential

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"testing"

	"regent/tests/conformance/counters"
	"regent/tests/conformance/server"
)

func TestMain(m *testing.M) {
	required := []string{"grpc calls", "requests compared", "errors compared", "compactions", "alarms raised",
		"whole stores compared", "crashes", "stops",
		"watch streams", "watch streams compared", "watch streams compared with the revisions in their headers", "watches",
		"watches cancelled", "watches cancelled by compaction", "watches of a compacted past", "watches of the future",
		"watches refused", "watches resumed", "watch responses", "watch events", "fragments", "previous values in events",
		"progress awaited", "progress by itself", "leases expired", "leases with an id of the server's", "values of fields covered", "extreme values asked",
		"planted differences found in answers", "planted differences found in streams"}
	for method := range methods {
		required = append(required, method)
	}
	code := counters.Main(m, required...)
	if !onlySome() && server.IsRegent() && !everyDifferenceMet() {
		code = 1
	}
	server.EndShared()
	os.Exit(code)
}

// Users read the list of differences in docs/differences.md: the numbers there and here are the same.
func TestTheListOfDifferencesIsThatOfTheDocumentation(t *testing.T) {
	text, err := os.ReadFile(server.Repository() + "/docs/differences.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[int]bool{}
	for _, row := range regexp.MustCompile(`(?m)^\| (\d+) \|`).FindAllSubmatch(text, -1) {
		number, _ := strconv.Atoi(string(row[1]))
		documented[number] = true
	}
	const most = 15
	if len(differences) > most || len(documented) != len(differences) {
		t.Errorf("%d differences are listed here, %d in the documentation; at most %d may be", len(differences), len(documented), most)
	}
	for _, d := range differences {
		if !documented[d.number] {
			t.Errorf("difference %d (%s) is not in the documentation", d.number, d.what)
		}
	}
}

// everyDifferenceMet prints the list. A difference that is not met any more is none: it has to leave the list.
func everyDifferenceMet() bool {
	all := true
	for _, d := range differences {
		fmt.Printf("difference %d, %s: met %d times (%s)\n", d.number, d.what, d.met.Load(), d.reason)
		if d.met.Load() == 0 {
			fmt.Printf("--- FAIL: difference %d (%s) was not met: take it off the list\n", d.number, d.what)
			all = false
		}
	}
	return all
}
