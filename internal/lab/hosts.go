package lab

import (
	"fmt"
	"os"
	"sort"
	"strings"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
)

// Addresses of the machine's two networks. Pods have theirs on the bridge;
// nothing has one of the services' addresses, so that an application's own
// address answers nothing, as on a Kubernetes where no port was opened.
const (
	podNetwork     = "10.1."
	serviceNetwork = "10.152.183."
)

// podAddress is the n-th address of a pod, from 0.
func podAddress(n int) string {
	// The first ones are left to the bridge. The hosts of one octet are 1–254.
	n = (n + 9) % (250 * 250)
	return fmt.Sprintf("%s%d.%d", podNetwork, n/250, n%250+1)
}

// serviceAddress is the n-th address of an application, from 0.
func serviceAddress(n int) string { return fmt.Sprintf("%s%d", serviceNetwork, (n+9)%250+1) }

// hostsFile is the names of a model: each pod's stable name with the short
// forms that a Kubernetes search list resolves, and each application's.
func hostsFile(modelName string, pods, services map[string]string) string {
	var lines []string
	suffixes := []string{"." + modelName + ".svc." + juju.DefaultClusterDomain, "." + modelName + ".svc", "." + modelName, ""}
	add := func(address, name, short string) {
		var names []string
		for _, suffix := range suffixes {
			names = append(names, name+suffix)
		}
		if short != "" {
			names = append(names, short)
		}
		lines = append(lines, address+" "+strings.Join(names, " "))
	}
	for unit, address := range pods {
		app, ordinal, err := juju.ParseUnit(unit)
		if err != nil || address == "" {
			continue
		}
		short := fmt.Sprintf("%s-%d", app, ordinal)
		add(address, short+"."+app+"-endpoints", short)
	}
	for app, address := range services {
		add(address, app, "")
	}
	sort.Strings(lines)
	return "127.0.0.1 localhost\n::1 localhost ip6-localhost\n" + strings.Join(lines, "\n") + "\n"
}

// writeInPlace replaces a file's content and keeps its inode, for containers
// have it mounted. Old and new content are both longer than what a reader in
// between might miss, so one write and one truncation are as good as it gets.
func writeInPlace(file, content string) error {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte(content), 0); err != nil {
		return err
	}
	return f.Truncate(int64(len(content)))
}
