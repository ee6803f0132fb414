package lab

import (
	"fmt"
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

// hostsFile is the names of a model, each with its address: pods and
// applications.
func hostsFile(modelName string, pods, services map[string]string) string {
	var lines []string
	add := func(address, name string) {
		lines = append(lines, fmt.Sprintf("%s %s.%s.svc.%s\n", address, name, modelName, juju.DefaultClusterDomain))
	}
	for unit, address := range pods {
		app, ordinal, err := juju.ParseUnit(unit)
		if err != nil || address == "" {
			continue
		}
		add(address, fmt.Sprintf("%s-%d.%s-endpoints", app, ordinal, app))
	}
	for app, address := range services {
		add(address, app)
	}
	sort.Strings(lines)
	return strings.Join(lines, "")
}
