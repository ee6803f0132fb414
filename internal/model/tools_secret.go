package model

import (
	"encoding/base64"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
)

func (t *tool) findSecret(name string) func() error {
	switch name {
	case "secret-add":
		return t.secretAdd
	case "secret-get":
		return t.secretGet
	case "secret-grant":
		return t.secretGrant
	case "secret-ids":
		return t.secretIDs
	case "secret-info-get":
		return t.secretInfoGet
	case "secret-remove":
		return t.secretRemove
	case "secret-revoke":
		return t.secretRevoke
	case "secret-set":
		return t.secretSet
	}
	return nil
}

var secretKey = regexp.MustCompile(`^[a-z](-?[a-z0-9]){2,}$`)

// Juju's limits of a secret's content (3.6).
const (
	maxSecretFile    = 8 << 10
	maxSecretContent = 64 << 10
)

// content reads key=value, key#base64=value and key#file=path arguments and
// the file, whose values win. All of that is part of reading the arguments:
// what is wrong with it ends the tool with 2.
func (t *tool) content(args []string, file string) (map[string]string, error) {
	out := make(map[string]string)
	for _, arg := range args {
		key, value, found := strings.Cut(arg, "=")
		if !found || key == "" || value == "" {
			return nil, usage("key value %q not valid", arg)
		}
		if err := t.contentItem(out, key, value); err != nil {
			return nil, err
		}
	}
	if file != "" {
		data, err := t.agentFile(file)
		if err != nil {
			return nil, err
		}
		inner, listed := *t, make(map[string]string)
		inner.files = func(string) ([]byte, error) { return data, nil }
		if err := inner.settingsFile(file, listed); err != nil {
			return nil, usage("%v", err)
		}
		for _, key := range slices.Sorted(maps.Keys(listed)) {
			if err := t.contentItem(out, key, listed[key]); err != nil {
				return nil, err
			}
		}
	}
	size := 0
	for _, value := range out {
		size += base64.StdEncoding.EncodedLen(len(value))
	}
	if size > maxSecretContent {
		return nil, usage("secret content size of %d bytes exceeds the maximum of %d", size, maxSecretContent)
	}
	return out, nil
}

// agentFile reads a file as the agent, which knows nothing of the caller's
// directory: a relative path, and so "-", leads nowhere.
func (t *tool) agentFile(name string) ([]byte, error) {
	if !path.IsAbs(name) {
		return nil, usage("open %s: no such file or directory", name)
	}
	data, err := t.readFile(name)
	if err != nil {
		return nil, usage("%v", err)
	}
	return data, nil
}

func (t *tool) contentItem(out map[string]string, key, value string) error {
	name, kind, _ := strings.Cut(key, "#")
	if !secretKey.MatchString(name) {
		return usage("key %q not valid", name)
	}
	switch kind {
	case "":
	case "base64":
		data, err := base64.StdEncoding.DecodeString(value)
		if err != nil {
			return usage("secret value for key %q is not base64: %v", name, err)
		}
		value = string(data)
	case "file":
		data, err := t.agentFile(value)
		if err != nil {
			return err
		}
		if len(data) > maxSecretFile {
			return usage("secret content in file %q too large: %d bytes", value, len(data))
		}
		value = string(data)
	default:
		return usage("key %q not valid", key)
	}
	out[name] = value
	return nil
}

// upsert parses what secret-add and secret-set have in common. An empty option
// is as good as none.
func (t *tool) upsert(positional int) (owner string, change *secretChange, err error) {
	owner = "application"
	var label, text, rotate, expire, file string
	err = t.parse(flags{
		"owner": &owner, "label": &label, "description": &text, "rotate": &rotate, "expire": &expire, "file": &file,
	})
	if err != nil {
		return "", nil, err
	}
	switch {
	case positional > 0 && len(t.args) < positional:
		return "", nil, usage("missing secret URI")
	case positional > 0:
		if _, ok := secretID(t.args[0]); !ok {
			return "", nil, usage("secret URI %q not valid", t.args[0])
		}
	case len(t.args) == 0 && file == "":
		return "", nil, usage("missing secret value or filename")
	}
	change = &secretChange{}
	for value, target := range map[*string]**string{&label: &change.label, &text: &change.text, &rotate: &change.rotate, &expire: &change.expire} {
		if *value != "" {
			*target = value
		}
	}
	if expire != "" {
		if err := checkExpire(expire); err != nil {
			return "", nil, err
		}
	}
	if rotate != "" && !slices.Contains([]string{"never", "hourly", "daily", "weekly", "monthly", "quarterly", "yearly"}, rotate) {
		return "", nil, usage("rotate policy %q not valid", rotate)
	}
	if owner != "application" && owner != "unit" {
		return "", nil, usage("secret owner %q not valid", owner)
	}
	if args := t.args[positional:]; len(args) > 0 || file != "" {
		if change.content, err = t.content(args, file); err != nil {
			return "", nil, err
		}
	}
	return owner, change, nil
}

func checkExpire(text string) error {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05"} {
		if _, err := time.Parse(layout, text); err == nil {
			return nil
		}
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return usage("expire time or duration %q not valid", text)
	}
	if d <= 0 {
		return usage("negative expire duration %q not valid", text)
	}
	return nil
}

func (t *tool) secretAdd() error {
	owner, change, err := t.upsert(0)
	if err != nil {
		return err
	}
	if len(change.content) == 0 {
		return fmt.Errorf("empty secret value not valid")
	}
	s := &secret{Owner: t.unit.Name}
	if owner == "application" {
		if !t.leader() {
			return fmt.Errorf("this unit is not the leader")
		}
		s.Owner = t.app.Name
	}
	if change.label != nil && t.labelled(*change.label, s.Owner) != nil {
		return fmt.Errorf("secret with label %q already exists", *change.label)
	}
	s.ID = t.model.newSecretID()
	change.apply(s)
	change.appoint(s, t.model.clock())
	s.Latest = 1
	s.Revisions = []*revision{{Number: 1, Content: change.content}}
	if t.secrets == nil {
		t.Context.secrets = make(map[string]*secretChange)
	}
	t.secrets[s.ID] = &secretChange{create: s}
	t.out = []byte(secretURI(s.ID) + "\n")
	return nil
}

// labelled is the owner's secret of that label.
func (t *tool) labelled(label, owner string) *secret {
	if label == "" {
		return nil
	}
	for _, id := range t.secretIDsKnown() {
		if s := t.known(id); s != nil && s.Owner == owner && s.Label == label {
			return s
		}
	}
	return nil
}

func (t *tool) secretIDsKnown() []string {
	ids := make(map[string]bool, len(t.model.secrets))
	for id := range t.model.secrets {
		ids[id] = true
	}
	for id := range t.secrets {
		ids[id] = true
	}
	return slices.Sorted(maps.Keys(ids))
}

// argument is the secret of a URI argument that the hook may change. The agent
// knows the secrets of its unit, and a leader's those of the application.
// Whether there are others only the controller can say, at the hook's end: nil
// is one of those.
func (t *tool) argument() (*secret, error) {
	if len(t.args) == 0 {
		return nil, usage("missing secret URI")
	}
	id, ok := secretID(t.args[0])
	if !ok {
		return nil, usage("secret URI %q not valid", t.args[0])
	}
	s := t.known(id)
	switch {
	case s != nil && s.ownedBy(t.unit) && t.manages(s):
		return s, nil
	case s != nil && s.ownedBy(t.unit) && t.led:
		return nil, fmt.Errorf("this unit is not the leader")
	}
	return nil, nil
}

// stranger leaves it to the controller to refuse a change of a secret.
func (t *tool) stranger() error {
	id, _ := secretID(t.args[0])
	if change := t.secrets[id]; change == nil || !change.removed {
		t.Context.strangers = append(t.strangers, id)
	}
	return nil
}

func (t *tool) secretSet() error {
	_, change, err := t.upsert(1)
	if err != nil {
		return err
	}
	s, err := t.argument()
	if err != nil {
		return err
	}
	if s == nil {
		return t.stranger()
	}
	if change.label != nil && *change.label != s.Label && t.labelled(*change.label, s.Owner) != nil {
		return fmt.Errorf("secret with label %q already exists", *change.label)
	}
	pending := t.secretChange(s.ID)
	if pending.create != nil {
		change.apply(pending.create)
		change.appoint(pending.create, t.model.clock())
		if change.content != nil {
			pending.create.Revisions[0].Content = change.content
		}
		return nil
	}
	for value, target := range map[**string]**string{&change.label: &pending.label, &change.text: &pending.text, &change.rotate: &pending.rotate, &change.expire: &pending.expire} {
		if *value != nil {
			*target = *value
		}
	}
	if change.content != nil {
		pending.content = change.content
	}
	return nil
}

func (t *tool) secretGet() error {
	var label string
	var peek, refresh bool
	if err := t.output("yaml", flags{"label": &label, "peek": &peek, "refresh": &refresh}); err != nil {
		return err
	}
	var id, key string
	if len(t.args) > 0 {
		var ok bool
		if id, ok = secretID(t.args[0]); !ok {
			return usage("secret URI %q not valid", t.args[0])
		}
		if err := t.atMost(2); err != nil {
			return err
		}
		if len(t.args) == 2 {
			key = t.args[1]
		}
	}
	if id == "" && label == "" {
		return usage("require either a secret URI or label")
	}
	if peek && refresh {
		return usage("specify one of --peek or --refresh but not both")
	}
	s, err := t.readable(id, label)
	if err != nil {
		return err
	}
	content, err := t.revisionContent(s, label, id != "", peek, refresh)
	if err != nil {
		return err
	}
	if key == "" {
		return t.write(content)
	}
	name, kind, _ := strings.Cut(key, "#")
	value, ok := content[name]
	if !ok {
		return fmt.Errorf("secret key value %q not found", name)
	}
	if kind == "base64" {
		value = base64.StdEncoding.EncodeToString([]byte(value))
	}
	return t.write(value)
}

// readable finds a secret by its id, else by the owner's or the unit's own
// label, and checks that the unit may read it.
func (t *tool) readable(id, label string) (*secret, error) {
	var s *secret
	if id != "" {
		if s = t.known(id); s == nil {
			return nil, fmt.Errorf("secret %q not found", id)
		}
	} else {
		if s = t.labelled(label, t.unit.Name); s == nil {
			s = t.labelled(label, t.app.Name)
		}
		for _, other := range t.secretIDsKnown() {
			if s != nil {
				break
			}
			if found := t.known(other); found != nil && found.Consumers[t.unit.Name] != nil && found.Consumers[t.unit.Name].Label == label {
				s = found
			}
		}
		if s == nil {
			return nil, fmt.Errorf("consumer label %q not found", label)
		}
	}
	if !s.ownedBy(t.unit) && !s.granted(t.unit) {
		return nil, errDenied
	}
	return s, nil
}

// revisionContent is the content of the revision that the unit is on. Peeking
// shows the latest, refreshing moves to it.
func (t *tool) revisionContent(s *secret, label string, named, peek, refresh bool) (map[string]string, error) {
	change := t.secrets[s.ID]
	if change != nil && change.create != nil {
		return s.Revisions[0].Content, nil
	}
	if change != nil && change.content != nil && (peek || refresh) {
		change.follow = change.follow || refresh
		return change.content, nil
	}
	c := s.Consumers[t.unit.Name]
	if named && !s.ownedBy(t.unit) && (c == nil || c.Label != label) {
		if err := t.model.labelTaken(t.unit.Name, label, s.ID, t.model.ownLabels()); err != nil {
			return nil, err
		}
	}
	if c == nil {
		c = &consumer{Current: s.Latest}
		if !peek {
			if s.Consumers == nil {
				s.Consumers = make(map[string]*consumer)
			}
			s.Consumers[t.unit.Name] = c
			t.model.change++
		}
	}
	if named && label != "" && !s.ownedBy(t.unit) {
		c.Label = label
	}
	number := c.Current
	if peek || refresh || s.revision(number) == nil {
		number = s.Latest
	}
	if refresh && c.Current != s.Latest {
		t.model.follow(t.unit, s)
	}
	r := s.revision(number)
	if r == nil {
		return nil, fmt.Errorf("secret revision %d not found", number)
	}
	return r.Content, nil
}

func (t *tool) secretIDs() error {
	if err := t.output("smart", nil); err != nil {
		return err
	}
	if err := t.atMost(0); err != nil {
		return err
	}
	var ids []string
	for _, id := range t.secretIDsKnown() {
		if s := t.known(id); s != nil && s.ownedBy(t.unit) && t.manages(s) {
			ids = append(ids, id)
		}
	}
	return t.write(ids)
}

type secretAccess struct {
	Target string `json:"target" yaml:"target"`
	Scope  string `json:"scope" yaml:"scope"`
	Role   string `json:"role" yaml:"role"`
}

type secretInfo struct {
	Revision    int            `json:"revision" yaml:"revision"`
	Label       string         `json:"label" yaml:"label"`
	Owner       string         `json:"owner" yaml:"owner"`
	Description string         `json:"description,omitempty" yaml:"description,omitempty"`
	Rotation    string         `json:"rotation,omitempty" yaml:"rotation,omitempty"`
	Expiry      string         `json:"expiry,omitempty" yaml:"expiry,omitempty"`
	Rotates     string         `json:"rotates,omitempty" yaml:"rotates,omitempty"`
	Access      []secretAccess `json:"access,omitempty" yaml:"access,omitempty"`
}

func (t *tool) secretInfoGet() error {
	var label string
	if err := t.output("yaml", flags{"label": &label}); err != nil {
		return err
	}
	if err := t.atMost(1); err != nil {
		return err
	}
	var s *secret
	want := label
	switch {
	case len(t.args) == 1 && label != "":
		return usage("specify either a secret URI or label but not both")
	case len(t.args) == 1:
		id, ok := secretID(t.args[0])
		if !ok {
			return usage("secret URI %q not valid", t.args[0])
		}
		want, s = id, t.known(id)
	case label != "":
		if s = t.labelled(label, t.unit.Name); s == nil {
			s = t.labelled(label, t.app.Name)
		}
	default:
		return usage("require either a secret URI or label")
	}
	if s == nil || !s.ownedBy(t.unit) || !t.manages(s) {
		return fmt.Errorf("secret %q not found", want)
	}
	shown := *s
	if change := t.secrets[s.ID]; change != nil {
		change.apply(&shown)
		change.appoint(&shown, t.model.clock())
		shown.Grants = change.granted(s.Grants)
	}
	info := secretInfo{
		Revision: shown.Latest, Label: shown.Label, Owner: "unit",
		Description: shown.Description, Rotation: shown.Rotate, Expiry: shown.Expire, Rotates: shown.Rotates,
	}
	if shown.ofApp() {
		info.Owner = "application"
	}
	for _, g := range shown.Grants {
		access := secretAccess{Target: "application-" + g.Target, Role: "view"}
		if strings.Contains(g.Target, "/") {
			access.Target = juju.UnitTag(g.Target)
		}
		if r := t.model.relations[g.Relation]; r != nil {
			access.Scope = "relation-" + strings.ReplaceAll(strings.ReplaceAll(r.String(), ":", "."), " ", "#")
		}
		info.Access = append(info.Access, access)
	}
	return t.write(map[string]secretInfo{s.ID: info})
}

func (r *revision) content() map[string]string {
	if r == nil {
		return nil
	}
	return r.Content
}

func (t *tool) secretRemove() error {
	var text string
	if err := t.parse(flags{"revision": &text}); err != nil {
		return err
	}
	number := 0
	if text != "" {
		var err error
		if number, err = strconv.Atoi(text); err != nil {
			return usage("invalid value %q for option --revision: strconv.ParseInt: parsing %q: invalid syntax", text, text)
		}
	}
	if err := t.atMost(1); err != nil {
		return err
	}
	s, err := t.argument()
	if err != nil {
		return err
	}
	if s == nil {
		return t.stranger()
	}
	change := t.secretChange(s.ID)
	switch {
	case change.create != nil:
		delete(t.secrets, s.ID)
	case number > 0:
		change.dropped = append(change.dropped, number)
	default:
		change.removed = true
	}
	return nil
}
