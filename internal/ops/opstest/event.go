package opstest

import (
	"fmt"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/model"
)

// await makes the event happen in the settled model and plays empty hooks
// until it is the unit's turn.
func (s *stage) await(event Event) (model.Hook, error) {
	want, err := s.cause(event)
	if err != nil {
		return model.Hook{}, err
	}
	for range maxHooks {
		for _, hook := range s.model.Next(s.unit) {
			if hook.Hook == want && (event.remote == "" || hook.RemoteUnit == event.remote) {
				return hook, nil
			}
		}
		ready := s.model.Ready()
		if len(ready) == 0 {
			return model.Hook{}, fmt.Errorf("nothing makes Juju run %s", want)
		}
		// The unit's own other hooks last, the others' first.
		unit := ready[0]
		if unit == s.unit && len(ready) > 1 {
			unit = ready[1]
		}
		c, err := s.model.Begin(unit, s.model.Next(unit)[0])
		if err != nil {
			return model.Hook{}, err
		}
		if err := c.End(model.Outcome{}); err != nil {
			return model.Hook{}, err
		}
	}
	return model.Hook{}, fmt.Errorf("%s does not come", want)
}

// cause does what makes Juju run the hook.
func (s *stage) cause(event Event) (juju.Hook, error) {
	if event.action != "" {
		_, err := s.model.EnqueueAction([]string{s.unit}, event.action, event.params)
		return juju.Hook{Kind: juju.Action, Name: event.action}, err
	}
	hook, err := juju.ParseHook("hooks/" + event.hook)
	if err != nil {
		return hook, err
	}
	switch hook.Kind {
	case juju.UpdateStatus:
		err = s.model.UpdateStatusDue(s.unit)
	case juju.ConfigChanged, juju.UpgradeCharm, juju.Start:
		// A new pod brings all three.
		err = s.replacePod()
	case juju.Stop:
		err = s.model.PodTerminating(s.unit)
	case juju.PebbleReady:
		if s.state.Containers[hook.Name] == nil {
			return hook, fmt.Errorf("container %q does not answer in this state", hook.Name)
		}
		err = s.model.ContainerUp(s.unit, hook.Name, "another-boot")
	case juju.PebbleCustomNotice:
		err = s.model.Notice(s.unit, hook.Name, "1", "custom", "example.com/test")
	case juju.PebbleCheckFailed:
		err = s.model.CheckFailed(s.unit, hook.Name, "check")
	case juju.PebbleCheckRecovered:
		err = s.model.CheckRecovered(s.unit, hook.Name, "check")
	case juju.LeaderElected:
		if err = s.model.SetLeader(s.app, ""); err == nil {
			err = s.model.SetLeader(s.app, s.unit)
		}
	case juju.RelationChanged:
		err = s.touch(hook.Name, event.remote)
	case juju.RelationDeparted, juju.RelationBroken:
		err = s.removeRelation(hook.Name)
	case juju.StorageDetaching, juju.Remove:
		err = s.model.Scale(s.app, 0)
	default:
		return hook, fmt.Errorf("opstest cannot cause %s", hook)
	}
	return hook, err
}

func (s *stage) replacePod() error {
	if err := s.model.PodDown(s.unit); err != nil {
		return err
	}
	return s.model.PodUp(s.unit, model.PodInfo{Fresh: true})
}

func (s *stage) relation(endpoint string) (Relation, bool) {
	for _, relation := range s.state.Relations {
		if relation.Endpoint == endpoint {
			return relation, true
		}
	}
	return Relation{}, false
}

func (s *stage) removeRelation(endpoint string) error {
	relation, ok := s.relation(endpoint)
	if !ok {
		return fmt.Errorf("the state has no relation %q", endpoint)
	}
	return s.model.RemoveRelation(s.app+":"+endpoint, relation.App+":there")
}

// touch lets the remote side write something that no charm reads, so that its
// changed hook comes.
func (s *stage) touch(endpoint, remote string) error {
	relation, ok := s.relation(endpoint)
	if !ok {
		return fmt.Errorf("the state has no relation %q", endpoint)
	}
	name, writer := "there", remote
	if e, _ := s.charm.Endpoint(endpoint); e.Role == model.Peer {
		name, relation.App = endpoint, s.app
	}
	if writer == "" {
		writer = s.model.Leader(relation.App)
	}
	if writer == "" {
		return fmt.Errorf("%s has no leader to write its data", relation.App)
	}
	if err := s.model.UpdateStatusDue(writer); err != nil {
		return err
	}
	for range maxHooks {
		next := s.model.Next(writer)
		if len(next) == 0 {
			return fmt.Errorf("%s runs no hook to write in", writer)
		}
		c, err := s.model.Begin(writer, next[0])
		if err != nil {
			return err
		}
		if c.Hook().Kind == juju.UpdateStatus {
			data := map[string]string{"opstest": "touched"}
			if remote == "" {
				err = s.writeBags(c, name, nil, data)
			} else {
				err = s.writeBags(c, name, data, nil)
			}
		}
		last := c.Hook().Kind == juju.UpdateStatus
		if err != nil {
			return err
		}
		if err := c.End(model.Outcome{}); err != nil || last {
			return err
		}
	}
	return fmt.Errorf("%s runs no hook to write in", writer)
}
