package juju

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Environment is what Juju tells a charm about the present hook through
// environment variables. Which of them exist depends on the hook; a field
// without its variable is zero. Facts are from Juju's uniter (context factory
// and runner), 2.9 to 4.0.
type Environment struct {
	// Hook is why the charm runs (JUJU_DISPATCH_PATH).
	Hook Hook

	UnitName  string // such as "pulsar/0"
	ModelName string
	ModelUUID string
	Version   Version // of the agent

	// CharmDir is the unpacked charm and the working directory of the hook.
	CharmDir string
	// ContextID names the hook context in each call of a hook tool.
	ContextID string
	// AgentSocketAddress is where the agent serves hook tools, while the
	// hook runs. A leading @ is an abstract socket of Linux.
	AgentSocketAddress string
	// AgentSocketNetwork is "unix" in sidecars.
	AgentSocketNetwork string
	// AgentToken and AgentCACert exist only in the remote execution of
	// pod-spec charms, Juju ≤ 3.x.
	AgentToken  string
	AgentCACert string

	// Relation and RelationID are the endpoint and the id, such as "db" and
	// "db:3", in every relation hook.
	Relation   string
	RelationID string
	// RemoteUnit is empty in relation-created, relation-broken and the
	// relation-changed of application data.
	RemoteUnit string
	// RemoteApp is empty in a relation-broken if the agent was restarted
	// after the relation was joined.
	RemoteApp string
	// DepartingUnit is set in relation-departed; it may be the unit itself.
	DepartingUnit string

	// Workload is the container of a pebble hook.
	Workload string
	// NoticeID, NoticeType and NoticeKey are set in pebble-custom-notice.
	NoticeID   string
	NoticeType string
	NoticeKey  string
	// CheckName is set in pebble-check-failed and pebble-check-recovered.
	CheckName string

	// SecretID is the full URI and SecretLabel the unit's own label of it,
	// which may be empty, in secret hooks. (The experiment in Juju 2.9 calls
	// the variable JUJU_SECRET_URL.)
	SecretID    string
	SecretLabel string
	// SecretRevision is set in secret-remove and secret-expired; else 0.
	// Juju's revisions start with 1.
	SecretRevision int

	// StorageID, such as "data/0", StorageLocation and StorageKind are set
	// in storage hooks of a provisioned storage.
	StorageID       string
	StorageLocation string
	StorageKind     string

	// ActionName, ActionUUID and ActionTag are set in actions. The UUID is a
	// small number in practice.
	ActionName string
	ActionUUID string
	ActionTag  string

	// TraceID, SpanID and TraceFlags are those of the agent's span of the
	// hook, as W3C Trace Context writes them; only in Juju 4.x, with tracing
	// on.
	TraceID    string
	SpanID     string
	TraceFlags string

	// APIAddresses are the controller's, host:port.
	APIAddresses []string
	// CharmProxy is of the model's juju-*-proxy settings (JUJU_CHARM_…).
	CharmProxy Proxy
	// LegacyProxy is of the model's *-proxy settings (http_proxy and
	// HTTP_PROXY, …): most programs obey those.
	LegacyProxy Proxy

	// MachineID, PrincipalUnit and AvailabilityZone are empty on Kubernetes.
	MachineID        string
	PrincipalUnit    string
	AvailabilityZone string
	// CloudAPIVersion is the version of Kubernetes.
	CloudAPIVersion string

	// Path is PATH; its first entry has the hook tools.
	Path string
	// Other are all other variables of the hook, such as LANG and
	// KUBERNETES_SERVICE_HOST.
	Other map[string]string

	// Namespace is the Kubernetes namespace of the unit's pod and
	// ClusterDomain the DNS domain of the cluster, empty if not known. No
	// variable of Juju's tells them: ParseEnvironment leaves them empty and
	// Environ leaves them out.
	Namespace     string
	ClusterDomain string
}

// Proxy are the proxies of one kind of setting; empty means none.
type Proxy struct{ HTTP, HTTPS, FTP, No string }

// Names of variables that are used more than once.
const (
	dispatchPath   = "JUJU_DISPATCH_PATH"
	hookName       = "JUJU_HOOK_NAME"
	relationID     = "JUJU_RELATION_ID"
	secretRevision = "JUJU_SECRET_REVISION"
	apiAddresses   = "JUJU_API_ADDRESSES"
	jujuVersion    = "JUJU_VERSION"
)

// variable ties a variable to the string field that it fills.
type variable struct {
	name  string
	value *string
}

// always are the variables that every hook has, also if empty.
func (e *Environment) always() []variable {
	return []variable{
		{"JUJU_UNIT_NAME", &e.UnitName},
		{"JUJU_MODEL_NAME", &e.ModelName},
		{"JUJU_MODEL_UUID", &e.ModelUUID},
		{"JUJU_CHARM_DIR", &e.CharmDir},
		{"JUJU_CONTEXT_ID", &e.ContextID},
		{"JUJU_AGENT_SOCKET_ADDRESS", &e.AgentSocketAddress},
		{"JUJU_AGENT_SOCKET_NETWORK", &e.AgentSocketNetwork},
		{"JUJU_MACHINE_ID", &e.MachineID},
		{"JUJU_PRINCIPAL_UNIT", &e.PrincipalUnit},
		{"JUJU_AVAILABILITY_ZONE", &e.AvailabilityZone},
		{"CLOUD_API_VERSION", &e.CloudAPIVersion},
		{"JUJU_CHARM_HTTP_PROXY", &e.CharmProxy.HTTP},
		{"JUJU_CHARM_HTTPS_PROXY", &e.CharmProxy.HTTPS},
		{"JUJU_CHARM_FTP_PROXY", &e.CharmProxy.FTP},
		{"JUJU_CHARM_NO_PROXY", &e.CharmProxy.No},
	}
}

// sometimes are the variables that are left out when empty.
func (e *Environment) sometimes() []variable {
	return []variable{
		{"JUJU_AGENT_TOKEN", &e.AgentToken},
		{"JUJU_AGENT_CA_CERT", &e.AgentCACert},
		{"JUJU_DEPARTING_UNIT", &e.DepartingUnit},
		{"JUJU_WORKLOAD_NAME", &e.Workload},
		{"JUJU_NOTICE_ID", &e.NoticeID},
		{"JUJU_NOTICE_TYPE", &e.NoticeType},
		{"JUJU_NOTICE_KEY", &e.NoticeKey},
		{"JUJU_PEBBLE_CHECK_NAME", &e.CheckName},
		{"JUJU_STORAGE_ID", &e.StorageID},
		{"JUJU_STORAGE_LOCATION", &e.StorageLocation},
		{"JUJU_STORAGE_KIND", &e.StorageKind},
		{"JUJU_ACTION_NAME", &e.ActionName},
		{"JUJU_ACTION_UUID", &e.ActionUUID},
		{"JUJU_ACTION_TAG", &e.ActionTag},
		{"JUJU_TRACE_ID", &e.TraceID},
		{"JUJU_SPAN_ID", &e.SpanID},
		{"JUJU_TRACE_FLAGS", &e.TraceFlags},
		{"PATH", &e.Path},
	}
}

// relation are the variables of every relation hook, also if empty.
func (e *Environment) relation() []variable {
	return []variable{
		{"JUJU_RELATION", &e.Relation},
		{relationID, &e.RelationID},
		{"JUJU_REMOTE_UNIT", &e.RemoteUnit},
		{"JUJU_REMOTE_APP", &e.RemoteApp},
	}
}

// secret are the variables of every secret hook, also if empty.
func (e *Environment) secret() []variable {
	return []variable{
		{"JUJU_SECRET_ID", &e.SecretID},
		{"JUJU_SECRET_LABEL", &e.SecretLabel},
	}
}

// legacyProxies are the variables that programs obey. Juju sets each also in
// upper case.
func (e *Environment) legacyProxies() []variable {
	return []variable{
		{"http_proxy", &e.LegacyProxy.HTTP},
		{"https_proxy", &e.LegacyProxy.HTTPS},
		{"ftp_proxy", &e.LegacyProxy.FTP},
		{"no_proxy", &e.LegacyProxy.No},
	}
}

// ParseEnvironment reads a process environment, entries KEY=VALUE, as Juju
// makes it for a hook or an action. Of a key that comes twice the last entry
// counts; entries without = are left out.
//
// An *UnknownHookError comes with an Environment that is complete otherwise:
// its Hook has the hook's whole name as Kind. With any other error the
// Environment is zero.
func ParseEnvironment(environ []string) (Environment, error) {
	values := make(map[string]string, len(environ))
	for _, entry := range environ {
		if key, value, ok := strings.Cut(entry, "="); ok && key != "" {
			values[key] = value
		}
	}
	e, err := parse(values)
	if err == nil {
		return e, nil
	}
	if _, ok := errors.AsType[*UnknownHookError](err); ok {
		return e, err
	}
	return Environment{}, fmt.Errorf("cannot read the hook environment: %w", err)
}

// parse consumes values.
func parse(values map[string]string) (Environment, error) {
	var e Environment
	take := func(key string) string {
		value := values[key]
		delete(values, key)
		return value
	}
	path := take(dispatchPath)
	if path == "" {
		return e, fmt.Errorf("%s is not set; is this run by Juju?", dispatchPath)
	}
	hook, unknown := ParseHook(path)
	if unknown != nil {
		u, ok := errors.AsType[*UnknownHookError](unknown)
		if !ok {
			return e, unknown
		}
		hook = Hook{Kind: HookKind(u.Hook)}
	}
	e.Hook = hook
	take(hookName)
	take("CHARM_DIR") // the same as JUJU_CHARM_DIR

	for _, list := range [][]variable{e.always(), e.sometimes(), e.relation(), e.secret()} {
		for _, v := range list {
			*v.value = take(v.name)
		}
	}
	if url := take("JUJU_SECRET_URL"); e.SecretID == "" {
		e.SecretID = url
	}
	for _, v := range e.legacyProxies() {
		*v.value = take(v.name)
		if upper := take(strings.ToUpper(v.name)); *v.value == "" {
			*v.value = upper
		}
	}
	if addresses := strings.Fields(take(apiAddresses)); len(addresses) > 0 {
		e.APIAddresses = addresses
	}

	var err error
	if e.Version, err = ParseVersion(take(jujuVersion)); err != nil {
		return e, fmt.Errorf("%s: %w", jujuVersion, err)
	}
	if revision := take(secretRevision); revision != "" {
		e.SecretRevision, err = strconv.Atoi(revision)
		if err != nil || e.SecretRevision < 1 {
			return e, fmt.Errorf("%s is %q, want a number from 1", secretRevision, revision)
		}
	}
	if len(values) > 0 {
		e.Other = values
	}
	if err := e.check(); err != nil {
		return e, err
	}
	return e, unknown
}

// check refuses what would make a charm act on the wrong thing.
func (e Environment) check() error {
	if _, _, err := ParseUnit(e.UnitName); err != nil {
		return fmt.Errorf("JUJU_UNIT_NAME: %w", err)
	}
	if e.ModelName == "" {
		return errors.New("JUJU_MODEL_NAME is not set")
	}
	if e.CharmDir != "" && !filepath.IsAbs(e.CharmDir) {
		return fmt.Errorf("JUJU_CHARM_DIR is %q, want an absolute path", e.CharmDir)
	}
	switch {
	case e.Hook.Relation():
		endpoint, number, _ := strings.Cut(e.RelationID, ":")
		n, err := strconv.Atoi(number)
		if err != nil || n < 0 || strconv.Itoa(n) != number {
			return fmt.Errorf("%s is %q in hook %s, want <endpoint>:<number>", relationID, e.RelationID, e.Hook)
		}
		if endpoint != e.Hook.Name || e.Relation != e.Hook.Name {
			return fmt.Errorf("JUJU_RELATION is %q and %s is %q in hook %s", e.Relation, relationID, e.RelationID, e.Hook)
		}
		if err := e.checkUnits(); err != nil {
			return err
		}
	case e.Hook.workload() && e.Workload != e.Hook.Name:
		return fmt.Errorf("JUJU_WORKLOAD_NAME is %q in hook %s", e.Workload, e.Hook)
	case e.Hook.secret() && e.SecretID == "":
		return fmt.Errorf("JUJU_SECRET_ID is not set in hook %s", e.Hook)
	case e.Hook.storage() && e.StorageID != "" && Application(e.StorageID) != e.Hook.Name:
		return fmt.Errorf("JUJU_STORAGE_ID is %q in hook %s", e.StorageID, e.Hook)
	case e.Hook.Kind == Action && e.ActionName != "" && e.ActionName != e.Hook.Name:
		return fmt.Errorf("JUJU_ACTION_NAME is %q in action %s", e.ActionName, e.Hook.Name)
	}
	switch {
	case e.Hook.Kind == PebbleCustomNotice && (e.NoticeID == "" || e.NoticeKey == ""):
		return fmt.Errorf("JUJU_NOTICE_ID is %q and JUJU_NOTICE_KEY is %q in hook %s", e.NoticeID, e.NoticeKey, e.Hook)
	case (e.Hook.Kind == PebbleCheckFailed || e.Hook.Kind == PebbleCheckRecovered) && e.CheckName == "":
		return fmt.Errorf("JUJU_PEBBLE_CHECK_NAME is not set in hook %s", e.Hook)
	case (e.Hook.Kind == SecretRemove || e.Hook.Kind == SecretExpired) && e.SecretRevision == 0:
		return fmt.Errorf("%s is not set in hook %s", secretRevision, e.Hook)
	}
	return nil
}

// checkUnits is check for the units that a relation's hook is about.
func (e Environment) checkUnits() error {
	if e.RemoteUnit != "" || e.Hook.Kind == RelationJoined || e.Hook.Kind == RelationDeparted {
		if _, _, err := ParseUnit(e.RemoteUnit); err != nil {
			return fmt.Errorf("JUJU_REMOTE_UNIT in hook %s: %w", e.Hook, err)
		}
	}
	if e.DepartingUnit != "" {
		if _, _, err := ParseUnit(e.DepartingUnit); err != nil {
			return fmt.Errorf("JUJU_DEPARTING_UNIT in hook %s: %w", e.Hook, err)
		}
	}
	return nil
}

// Environ is the reverse of ParseEnvironment: the variables as Juju sets
// them, KEY=VALUE, sorted by key. Variables that Juju always sets are there
// also if their field is empty: in a relation hook JUJU_REMOTE_UNIT, for one.
func (e Environment) Environ() []string {
	values := maps.Clone(e.Other)
	if values == nil {
		values = make(map[string]string)
	}
	put := func(list []variable, empty bool) {
		for _, v := range list {
			if *v.value != "" || empty {
				values[v.name] = *v.value
			}
		}
	}
	put(e.always(), true)
	put(e.sometimes(), false)
	put(e.relation(), e.Hook.Relation())
	put(e.secret(), e.Hook.secret())
	for _, v := range e.legacyProxies() {
		if *v.value != "" {
			values[v.name] = *v.value
			values[strings.ToUpper(v.name)] = *v.value
		}
	}
	values[dispatchPath] = e.Hook.DispatchPath()
	values[hookName] = e.Hook.String()
	if e.Hook.Kind == Action {
		values[hookName] = ""
	}
	values["CHARM_DIR"] = e.CharmDir
	values[apiAddresses] = strings.Join(e.APIAddresses, " ")
	values[jujuVersion] = e.Version.String()
	if e.SecretRevision > 0 {
		values[secretRevision] = strconv.Itoa(e.SecretRevision)
	}

	environ := make([]string, 0, len(values))
	for _, key := range slices.Sorted(maps.Keys(values)) {
		environ = append(environ, key+"="+values[key])
	}
	return environ
}

// workload says whether the hook belongs to a container.
func (h Hook) workload() bool {
	switch h.Kind {
	case PebbleReady, PebbleCustomNotice, PebbleCheckFailed, PebbleCheckRecovered:
		return true
	}
	return false
}

// storage says whether the hook belongs to a storage.
func (h Hook) storage() bool { return h.Kind == StorageAttached || h.Kind == StorageDetaching }

// secret says whether the hook belongs to a secret.
func (h Hook) secret() bool {
	switch h.Kind {
	case SecretChanged, SecretRotate, SecretRemove, SecretExpired:
		return true
	}
	return false
}
