package bookie

import (
	"fmt"
	"regexp"
)

// registry is what ZooKeeper knows of a bookie and its cluster; the texts are
// empty if it knows nothing.
type registry struct {
	// Cookie is the content of /ledgers/cookies/<id>.
	Cookie string
	// InstanceID is the cluster's, /ledgers/INSTANCEID.
	InstanceID string
}

// versionFile is, below a volume's directory, BookKeeper's copy of the cookie.
const versionFile = "/current/VERSION"

// volumes is what the volumes say of themselves: the content of versionFile,
// empty if there is none.
type volumes struct{ Journal, Ledgers string }

var cookieField = regexp.MustCompile(`(?m)^(\w+): "([^"]*)"$`)

// cookieFields are the fields of a cookie: bookieHost, journalDir, ledgerDirs,
// instanceId.
func cookieFields(text string) map[string]string {
	fields := map[string]string{}
	for _, match := range cookieField.FindAllStringSubmatch(text, -1) {
		fields[match[1]] = match[2]
	}
	return fields
}

// volumeFault says why BookKeeper refuses to start a bookie on these volumes,
// and what helps; "" if this is not the reason. BookKeeper compares the cookie in ZooKeeper
// with the copies on each volume, so that an empty or foreign disk is never
// taken for the bookie's own.
func volumeFault(id string, v volumes, r registry) string {
	if r.InstanceID == "" {
		return "" // not initialised, or not readable: it is something else
	}
	cookie := cookieFields(r.Cookie)
	mend := "bring its own volume back"
	if r.Cookie == "" {
		mend = "bring an empty volume" // it is a new bookie, or one whose cookie went with its data
	}
	for _, volume := range []struct{ name, text, path string }{{"journal", v.Journal, journalDir}, {"ledgers", v.Ledgers, ledgersDir}} {
		local := cookieFields(volume.text)
		switch {
		case volume.text == "" && r.Cookie == "":
		case volume.text == "":
			return fmt.Sprintf("%s volume is empty but ZooKeeper has a cookie for %s: bring the volume back", volume.name, id)
		case local["bookieHost"] != "" && local["bookieHost"] != id:
			return fmt.Sprintf("%s volume belongs to bookie %s, this is %s: %s", volume.name, local["bookieHost"], id, mend)
		case local["instanceId"] != "" && local["instanceId"] != r.InstanceID:
			return fmt.Sprintf("%s volume belongs to cluster instance %s, this one is %s: integrate with its pulsar, or %s", volume.name, local["instanceId"], r.InstanceID, mend)
		case r.Cookie == "":
			// The volume's copy of the cookie is what ZooKeeper had.
			return fmt.Sprintf("%s volume has data but ZooKeeper has no cookie of it: in container %s, /pulsar/bin/bookkeeper shell cookie_create -cf %s %s",
				volume.name, containerName, volume.path+versionFile, id)
		}
		for _, key := range []string{"journalDir", "ledgerDirs"} {
			if volume.text != "" && r.Cookie != "" && local[key] != cookie[key] {
				return fmt.Sprintf("%s of the %s volume is %s, ZooKeeper's cookie says %s: %s", key, volume.name, local[key], cookie[key], mend)
			}
		}
	}
	return ""
}
