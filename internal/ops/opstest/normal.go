package opstest

import (
	"cmp"
	"crypto/sha256"
	"encoding/base32"
	"maps"
	"reflect"
	"slices"
	"strings"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble/pebbletest"
)

// SecretID makes a secret's id of a name: the same for the same name.
func SecretID(name string) string {
	sum := sha256.Sum256([]byte(name))
	return "s" + strings.ToLower(base32.HexEncoding.EncodeToString(sum[:]))[:19]
}

// SecretURI is the URI of the secret with SecretID(name).
func SecretURI(name string) string { return "secret:" + SecretID(name) }

// Diff says how two states differ; "" if they do not. Absent and empty are the
// same, relations without an ID have the one that a run would give them, and
// functions are not compared.
func Diff(want, got State) string {
	return gocmp.Diff(want.normal(), got.normal(), gocmp.Options{
		cmpopts.EquateEmpty(),
		cmpopts.IgnoreFields(Container{}, "Execs", "OnStart"),
		cmpopts.IgnoreFields(pebble.Notice{}, "LastRepeated"),
		gocmp.FilterPath(func(p gocmp.Path) bool {
			return p.Last().Type() == reflect.TypeFor[pebble.Daemon]()
		}, gocmp.Comparer(func(a, b pebble.Daemon) bool { return a == b })),
	})
}

// Relation is the first relation of the endpoint; the zero Relation if there
// is none.
func (s State) Relation(endpoint string) Relation {
	for _, r := range s.Relations {
		if r.Endpoint == endpoint {
			return r
		}
	}
	return Relation{}
}

// Clone is a copy that shares nothing with s but functions and Pebbles of the
// test.
func (s State) Clone() State {
	s.Leaving, s.Ports = slices.Clone(s.Leaving), slices.Clone(s.Ports)
	s.Config, s.Resources, s.Stored = maps.Clone(s.Config), maps.Clone(s.Resources), maps.Clone(s.Stored)
	s.Networks, s.CloudSpec = deep(s.Networks), deep(s.CloudSpec)
	s.Storages = slices.Clone(s.Storages)
	s.Relations = slices.Clone(s.Relations)
	for i := range s.Relations {
		r := &s.Relations[i]
		r.Planned = slices.Clone(r.Planned)
		r.RemoteApp, r.LocalApp, r.LocalUnit = maps.Clone(r.RemoteApp), maps.Clone(r.LocalApp), maps.Clone(r.LocalUnit)
		r.RemoteUnits = cloneTables(r.RemoteUnits)
	}
	s.Secrets = slices.Clone(s.Secrets)
	for i := range s.Secrets {
		s.Secrets[i].Revisions = cloneTables(s.Secrets[i].Revisions)
		s.Secrets[i].Grants = slices.Clone(s.Secrets[i].Grants)
	}
	s.Containers = maps.Clone(s.Containers)
	for name, c := range s.Containers {
		c.Layers, c.Services, c.Checks, c.Files = deep(c.Layers), deep(c.Services), maps.Clone(c.Checks), maps.Clone(c.Files)
		c.Notices, c.Execs = deep(c.Notices), maps.Clone(c.Execs)
		c.Users, c.Missing = slices.Clone(c.Users), slices.Clone(c.Missing)
		s.Containers[name] = c
	}
	return s
}

func cloneTables(tables map[int]map[string]string) map[int]map[string]string {
	tables = maps.Clone(tables)
	for number, table := range tables {
		tables[number] = maps.Clone(table)
	}
	return tables
}

// normal is a clone with everything that has several forms in one.
func (s State) normal() State {
	s = s.Clone()
	slices.Sort(s.Leaving)
	slices.Sort(s.Ports)
	s.number()
	for i := range s.Secrets {
		s.normalSecret(&s.Secrets[i])
	}
	for name, c := range s.Containers {
		s.Containers[name] = c.normal()
	}
	return s
}

// number gives relations without one an id.
func (s *State) number() {
	for i := range s.Relations {
		if s.Relations[i].ID == 0 {
			s.Relations[i].ID = s.freeID()
		}
	}
}

func (s *State) freeID() int {
	for id := 1; ; id++ {
		if !slices.ContainsFunc(s.Relations, func(r Relation) bool { return r.ID == id }) {
			return id
		}
	}
}

func (s *State) normalSecret(secret *Secret) {
	secret.ID = strings.TrimPrefix(secret.ID, "secret:")
	for i, g := range secret.Grants {
		of := func(r Relation) bool { return r.Endpoint == g.Relation }
		if at := slices.IndexFunc(s.Relations, of); at >= 0 && !slices.ContainsFunc(s.Relations[at+1:], of) {
			secret.Grants[i].Relation = relationID(g.Relation, s.Relations[at].ID)
		}
	}
	slices.SortFunc(secret.Grants, func(a, b Grant) int {
		return cmp.Or(cmp.Compare(a.Relation, b.Relation), cmp.Compare(a.Unit, b.Unit))
	})
}

func (c Container) normal() Container {
	for i, l := range c.Layers {
		c.Layers[i].Layer = pebble.WithOverride(l.Layer)
	}
	for name, file := range c.Files {
		usual := 0o644
		if strings.HasSuffix(name, "/") {
			usual = 0o755
		}
		if int(file.Mode) == usual {
			file.Mode = 0
		}
		if file.User == "root" && (file.Group == "root" || file.Group == "") {
			file.User, file.Group = "", ""
		}
		c.Files[name] = file
	}
	return c
}

// contents are what a fake is to hold.
func (c Container) contents() pebbletest.Contents {
	return pebbletest.Contents{Layers: c.Layers, Services: c.Services, Checks: c.Checks, Files: c.Files, Notices: c.Notices}
}

// deep is a copy that shares no map, slice or pointer with v.
func deep[T any](v T) T {
	return deepValue(reflect.ValueOf(&v).Elem()).Interface().(T)
}

func deepValue(v reflect.Value) reflect.Value {
	out := reflect.New(v.Type()).Elem()
	out.Set(v)
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			out.Set(reflect.New(v.Type().Elem()))
			out.Elem().Set(deepValue(v.Elem()))
		}
	case reflect.Slice:
		if !v.IsNil() {
			out.Set(reflect.MakeSlice(v.Type(), v.Len(), v.Len()))
			for i := range v.Len() {
				out.Index(i).Set(deepValue(v.Index(i)))
			}
		}
	case reflect.Map:
		if !v.IsNil() {
			out.Set(reflect.MakeMapWithSize(v.Type(), v.Len()))
			for entries := v.MapRange(); entries.Next(); {
				out.SetMapIndex(entries.Key(), deepValue(entries.Value()))
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				out.Field(i).Set(deepValue(v.Field(i)))
			}
		}
	}
	return out
}
