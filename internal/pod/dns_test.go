package pod

import (
	"errors"
	"net/netip"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

func TestAnswerName(t *testing.T) {
	t.Parallel()
	const names = "10.1.0.7 bookie-0.bookie-endpoints.m.svc.cluster.local\n10.152.183.10 bookie.m.svc.cluster.local\nnonsense\n"
	ask := func(name string, kind dnsmessage.Type) []byte {
		packet, err := (&dnsmessage.Message{
			Header:    dnsmessage.Header{ID: 7, RecursionDesired: true},
			Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(name), Type: kind, Class: dnsmessage.ClassINET}},
		}).Pack()
		if err != nil {
			t.Fatal(err)
		}
		return packet
	}
	known, unreadable := func() ([]byte, error) { return []byte(names), nil }, func() ([]byte, error) { return nil, errors.New("no disk") }
	for _, c := range []struct {
		name   string
		packet []byte
		names  func() ([]byte, error)
		code   dnsmessage.RCode
		want   string
	}{
		{"a pod", ask("bookie-0.bookie-endpoints.m.svc.cluster.local.", dnsmessage.TypeA), known, dnsmessage.RCodeSuccess, "10.1.0.7"},
		{"letters do not count", ask("Bookie.M.svc.cluster.local.", dnsmessage.TypeA), known, dnsmessage.RCodeSuccess, "10.152.183.10"},
		{"no IPv6, which is not to say no such name", ask("bookie.m.svc.cluster.local.", dnsmessage.TypeAAAA), known, dnsmessage.RCodeSuccess, ""},
		{"unknown", ask("bookie-0.m.svc.cluster.local.", dnsmessage.TypeA), known, dnsmessage.RCodeNameError, ""},
		{"the file is not readable: try again", ask("bookie.m.svc.cluster.local.", dnsmessage.TypeA), unreadable, dnsmessage.RCodeServerFailure, ""},
	} {
		var answer dnsmessage.Message
		if err := answer.Unpack(answerName(c.packet, c.names)); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		got := ""
		for _, record := range answer.Answers {
			if a, ok := record.Body.(*dnsmessage.AResource); ok {
				got += netip.AddrFrom4(a.A).String()
			}
			if record.Header.TTL > 30 {
				t.Errorf("%s: kept for %d s", c.name, record.Header.TTL)
			}
		}
		if answer.RCode != c.code || got != c.want || answer.ID != 7 || !answer.Response {
			t.Errorf("%s: got %v %q, want %v %q", c.name, answer.RCode, got, c.code, c.want)
		}
	}
	for name, packet := range map[string][]byte{"nothing": nil, "noise": []byte("noise"), "an answer": answerName(ask("a.", dnsmessage.TypeA), known)} {
		if got := answerName(packet, known); got != nil {
			t.Errorf("%s is answered: %v", name, got)
		}
	}
}
