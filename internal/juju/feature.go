package juju

// What versions of Juju can do, where a charm may want to know beforehand. A
// hook tool that the running Juju lacks says so itself; these are for what
// has no tool, or must be decided before a tool is used. Each is false for
// the zero Version.

// HasSecrets says that charms can make and read secrets. Juju 3.0.0 to 3.0.2
// have the tools in forms that nothing else has.
func (v Version) HasSecrets() bool { return v.AtLeast(3, 0, 3) }

// HasUserSecrets says that users own secrets (juju add-secret), grant them to
// applications, and that options may be of type secret.
func (v Version) HasUserSecrets() bool { return v.AtLeast(3, 3, 0) }

// HasServicePorts says that open-port on Kubernetes changes the application's
// Service. Before, the Service forwards nothing.
func (v Version) HasServicePorts() bool { return v.AtLeast(3, 0, 3) }

// HasCustomNotices says that Pebble's custom notices become hooks, soon after
// they come.
func (v Version) HasCustomNotices() bool { return v.AtLeast(3, 4, 0) }

// HasWorkloadUsers says that containers may name uid and gid.
func (v Version) HasWorkloadUsers() bool { return v.AtLeast(3, 5, 0) }

// HasCheckHooks says that a failing or recovered Pebble check becomes a hook.
func (v Version) HasCheckHooks() bool { return v.AtLeast(3, 6, 0) }

// HasRelationModel says that relation-model-get exists.
func (v Version) HasRelationModel() bool { return v.AtLeast(3, 6, 2) }

// HasIdentities says that the containers' Pebble knows identities and
// metrics.
func (v Version) HasIdentities() bool { return v.AtLeast(3, 6, 4) }

// HasCloudSpec says that credential-get works in models on Kubernetes.
func (v Version) HasCloudSpec() bool { return v.AtLeast(3, 6, 10) }

// HasServiceContext says that a command in a container may take the
// environment of a service: from 3.1.6 on, except for 3.2.0 and what was built
// before and of it.
func (v Version) HasServiceContext() bool {
	early := v.Major == 3 && v.Minor == 2 && (v.Tag != "" || v.Patch == 0)
	return v.AtLeast(3, 1, 6) && !early
}

// HasLeaderSettings says that leader-get, leader-set and the hook
// leader-settings-changed exist. The peer relation's application databag is
// in all versions.
func (v Version) HasLeaderSettings() bool {
	return !v.IsZero() && v.Compare(Version{Major: 4, Tag: "a"}) < 0
}
