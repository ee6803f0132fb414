package bookie

import (
	"strings"
	"testing"
)

func TestVolumeFault(t *testing.T) {
	t.Parallel()
	const id = "bookie-0:3181"
	cookie := "4\nbookieHost: \"bookie-0:3181\"\njournalDir: \"/j\"\nledgerDirs: \"1\\t/l\"\ninstanceId: \"one\"\n"
	of := func(old, new string) string { return strings.Replace(cookie, old, new, 1) }
	for _, test := range []struct {
		name             string
		journal, ledgers string
		registry         registry
		want             string
	}{
		{"new bookie", "", "", registry{InstanceID: "one"}, ""},
		{"its own volumes", cookie, cookie, registry{cookie, "one"}, ""},
		{"ZooKeeper knows nothing", "", "", registry{}, ""},
		{"lost volumes", "", "", registry{cookie, "one"}, "journal volume is empty but ZooKeeper has a cookie for bookie-0:3181: bring the volume back"},
		{"one lost volume", cookie, "", registry{cookie, "one"}, "ledgers volume is empty but ZooKeeper has a cookie for bookie-0:3181: bring the volume back"},
		{"lost cookie", cookie, cookie, registry{"", "one"}, "journal volume has data but ZooKeeper has no cookie of it: " +
			"in container bookie, /pulsar/bin/bookkeeper shell cookie_create -cf /pulsar/data/bookkeeper/journal/current/VERSION bookie-0:3181"},
		{"lost cookie, lost journal", "", cookie, registry{"", "one"}, "ledgers volume has data but ZooKeeper has no cookie of it: " +
			"in container bookie, /pulsar/bin/bookkeeper shell cookie_create -cf /pulsar/data/bookkeeper/ledgers/current/VERSION bookie-0:3181"},
		{"volume of another bookie", of("bookie-0", "bookie-9"), cookie, registry{cookie, "one"}, "journal volume belongs to bookie bookie-9:3181, this is bookie-0:3181: bring its own volume back"},
		{"new bookie, volume of another", "", of("bookie-0", "bookie-9"), registry{"", "one"}, "ledgers volume belongs to bookie bookie-9:3181, this is bookie-0:3181: bring an empty volume"},
		{"volumes of another cluster", cookie, cookie, registry{"", "two"}, "journal volume belongs to cluster instance one, this one is two: integrate with its pulsar, or bring an empty volume"},
		{"volume of another cluster", cookie, of(`"one"`, `"two"`), registry{of(`"one"`, `"two"`), "two"}, "journal volume belongs to cluster instance one, this one is two: integrate with its pulsar, or bring its own volume back"},
		{"moved directory", of(`1\t/l`, `1\t/m`), cookie, registry{cookie, "one"}, `ledgerDirs of the journal volume is 1\t/m, ZooKeeper's cookie says 1\t/l: bring its own volume back`},
		{"unknown text", "what", "what", registry{"what", "one"}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := volumeFault(id, volumes{Journal: test.journal, Ledgers: test.ledgers}, test.registry); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}
