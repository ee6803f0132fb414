package juju

import (
	"fmt"
	"strconv"
	"strings"
)

// ParseUnit splits a unit name such as "pulsar-client/10" into its
// application and ordinal.
func ParseUnit(unit string) (application string, ordinal int, err error) {
	application, number, found := strings.Cut(unit, "/")
	if !found || !isApplication(application) {
		return "", 0, fmt.Errorf("cannot parse unit name %q: want <application>/<number>", unit)
	}
	ordinal, err = strconv.Atoi(number)
	if err != nil || ordinal < 0 || strconv.Itoa(ordinal) != number {
		return "", 0, fmt.Errorf("cannot parse unit name %q: want <application>/<number>", unit)
	}
	return application, ordinal, nil
}

// isApplication says whether a name is of an application's letters: those of
// a name in DNS.
func isApplication(name string) bool {
	for _, c := range []byte(name) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return name != "" && name[0] >= 'a'
}

// Application is the application of a unit name, or name itself if it is an
// application's name already.
func Application(name string) string {
	application, _, _ := strings.Cut(name, "/")
	return application
}

// Ordinal is the number of a unit; -1 if unit is not a unit name.
func Ordinal(unit string) int {
	_, ordinal, err := ParseUnit(unit)
	if err != nil {
		return -1
	}
	return ordinal
}

// DefaultClusterDomain is Kubernetes's default DNS domain of a cluster; a
// cluster may use another one.
const DefaultClusterDomain = "cluster.local"

// UnitFQDN is the name under which a sidecar unit's pod stays reachable for
// the life of its ordinal: it resolves to the pod's present address, also
// before the pod is ready (headless Service with publishNotReadyAddresses).
// The namespace is that of the model: its name, or controller-<controller> for
// the controller's own.
func UnitFQDN(unit, namespace, clusterDomain string) string {
	application, ordinal, err := ParseUnit(unit)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%s-%d.%s-endpoints.%s.svc.%s", application, ordinal, application, namespace, clusterDomain)
}

// UnitTag is the name of a unit in paths, such as "unit-pulsar-0".
func UnitTag(unit string) string { return "unit-" + strings.ReplaceAll(unit, "/", "-") }
