package hooktool_test

import (
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/pulsar-charms/pulsar-charms/internal/hooktool"
	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/jujuc"
)

// BenchmarkRelationGet is what one databag costs over either transport.
func BenchmarkRelationGet(b *testing.B) {
	dir := b.TempDir()
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	if err := os.Symlink(self, filepath.Join(dir, "relation-get")); err != nil {
		b.Fatal(err)
	}
	env := juju.Environment{
		Hook: juju.Hook{Kind: juju.Start}, UnitName: "a/0", ModelName: "m", CharmDir: dir, ContextID: "c",
		AgentSocketAddress: filepath.Join(dir, "s"), AgentSocketNetwork: "unix", Path: dir,
	}
	listener, err := net.Listen("unix", env.AgentSocketAddress)
	if err != nil {
		b.Fatal(err)
	}
	server := jujuc.Serve(listener, says(`{"ingress-address":"10.0.0.1"}`))
	defer server.Abort()
	socket, err := hooktool.DialSocket(b.Context(), env, "")
	if err != nil {
		b.Fatal(err)
	}
	defer socket.Close()
	for name, runner := range map[string]hooktool.Runner{"socket": socket, "fork": hooktool.NewFork(env, "")} {
		b.Run(name, func(b *testing.B) {
			tools := hooktool.New(runner)
			for b.Loop() {
				if _, err := tools.RelationGet(b.Context(), "db:1", "pg/0", false); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
