package zk

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParseConfig(t *testing.T) {
	t.Parallel()
	text := "server.10=c:2888:3888:observer;0.0.0.0:2181\nserver.2=b:2888:3888;127.0.0.1:2181\nserver.1=a:2888:3888:participant;2181\nversion=10000000a"
	got, err := ParseConfig(text)
	if err != nil {
		t.Fatal(err)
	}
	want := Config{Version: 0x10000000a, Members: []Member{
		{ID: 1, Host: "a", Role: Participant},
		{ID: 2, Host: "b", Role: Participant, ClientAddress: "127.0.0.1"},
		{ID: 10, Host: "c", Role: Observer},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("configuration (-want +got):\n%s", diff)
	}
	again, err := ParseConfig(string(got.File()))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(got.Members, again.Members); diff != "" {
		t.Errorf("members read back from the file (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]int{1, 2}, got.Voters()); diff != "" {
		t.Errorf("voters (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]int{10}, got.Observers()); diff != "" {
		t.Errorf("observers (-want +got):\n%s", diff)
	}
}

func TestParseConfigRefusesNonsense(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"server.x=a:1:2", "server.0=a:1:2", "server.1=a", "server.1=:1:2", "version=zz"} {
		if got, err := ParseConfig(text); err == nil {
			t.Errorf("ParseConfig(%q) = %v, want an error", text, got)
		}
	}
}

func TestChangeApply(t *testing.T) {
	t.Parallel()
	before := Config{Version: 7, Members: []Member{{ID: 1, Host: "a", Role: Participant}, {ID: 2, Host: "b", Role: Participant}, {ID: 3, Host: "c", Role: Participant}}}
	change := Change{Leaving: []int{3}, Joining: []Member{{ID: 2, Host: "b", Role: Observer}}}
	want := Config{Version: 7, Members: []Member{{ID: 1, Host: "a", Role: Participant}, {ID: 2, Host: "b", Role: Observer}}}
	if diff := cmp.Diff(want, change.Apply(before)); diff != "" {
		t.Errorf("after the change (-want +got):\n%s", diff)
	}
}

// The digest is the one that ZooKeeper's own DigestAuthenticationProvider
// prints for super:test.
func TestSuperDigest(t *testing.T) {
	t.Parallel()
	if got, want := SuperDigest("test"), "super:D/InIHSb7yEEbrWz8b9l71RjZJU="; got != want {
		t.Errorf("SuperDigest() = %s, want %s", got, want)
	}
}

func serve(t *testing.T, answer func(net.Conn)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go answer(conn)
		}
	}()
	return listener.Addr().String()
}

func TestSrvr(t *testing.T) {
	t.Parallel()
	say := func(text string) func(net.Conn) {
		return func(conn net.Conn) {
			_, _ = io.ReadFull(conn, make([]byte, 4))
			_, _ = io.WriteString(conn, text)
			conn.Close()
		}
	}
	address := serve(t, say("Zookeeper version: 3.9.4-7246445ec281f3dbf53dc54e970c914f39713903, built on 2025-08-19 19:53 UTC\nLatency min/avg/max: 0/0.0/0\nReceived: 1\nSent: 0\nConnections: 1\nOutstanding: 0\nZxid: 0x10000002f\nMode: follower\nNode count: 57\n"))
	got, err := Srvr(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	want := Server{Mode: "follower", Zxid: 0x10000002f, Nodes: 57, Version: "3.9.4"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("server (-want +got):\n%s", diff)
	}

	address = serve(t, say("This ZooKeeper instance is not currently serving requests\n"))
	if _, err := Srvr(t.Context(), address); !errors.Is(err, ErrNotServing) {
		t.Errorf("error without a quorum = %v, want ErrNotServing", err)
	}
	address = serve(t, say("Zxid: nonsense\nMode: leader\n"))
	if _, err := Srvr(t.Context(), address); err == nil {
		t.Error("nonsense is taken for an answer")
	}
}

// A server that accepts and is silent must not hold a hook.
func TestCallsEndWithTheirContext(t *testing.T) {
	t.Parallel()
	address := serve(t, func(net.Conn) {})
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := Srvr(ctx, address); err == nil {
		t.Error("Srvr of a silent server succeeds")
	}
	ctx, cancel = context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := Dial(ctx, []string{address}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Dial of a silent server: %v", err)
	}
}

func TestHostsTakeTurns(t *testing.T) {
	t.Parallel()
	h := &hosts{}
	if err := h.Init(nil); err == nil {
		t.Error("no servers are taken")
	}
	if err := h.Init([]string{"a", "b"}); err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	var restarts []bool
	for range 4 {
		server, restart := h.Next()
		seen[server]++
		restarts = append(restarts, restart)
	}
	if diff := cmp.Diff(map[string]int{"a": 2, "b": 2}, seen); diff != "" {
		t.Errorf("servers (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]bool{false, false, true, false}, restarts); diff != "" {
		t.Errorf("restarts of the list (-want +got):\n%s", diff)
	}
}
