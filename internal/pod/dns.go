package pod

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"

	"golang.org/x/net/dns/dnsmessage"
)

// A pod asks itself for names, at nameserver. A hosts file would not do: there
// are programs that read it once and for all, such as Netty, and pods come back
// under their names with other addresses.
const nameserver = "127.0.0.1"

// nameTTL is for how many seconds an answer may be kept; CoreDNS on Kubernetes
// says between 5 and 30.
const nameTTL = 5

// listenNames begins to answer in this network namespace, a pod's, from the
// file of all names, which is read anew for each question.
func listenNames(file string) error {
	conn, err := net.ListenPacket("udp4", nameserver+":53")
	if err != nil {
		return fmt.Errorf("cannot answer for names: %w", err)
	}
	go func() {
		packet := make([]byte, 512)
		for {
			n, from, err := conn.ReadFrom(packet)
			if err != nil {
				return // with the pod
			}
			if answer := answerName(packet[:n], func() ([]byte, error) { return os.ReadFile(file) }); answer != nil {
				_, _ = conn.WriteTo(answer, from)
			}
		}
	}()
	return nil
}

// answerName answers one question; nil is no answer, to what is none. Only
// IPv4 addresses are known: other types of a known name have no records, and
// what is not known does not exist.
func answerName(packet []byte, names func() ([]byte, error)) []byte {
	var parser dnsmessage.Parser
	header, err := parser.Start(packet)
	if err != nil || header.Response {
		return nil
	}
	answer := dnsmessage.Header{ID: header.ID, Response: true, OpCode: header.OpCode, Authoritative: true, RecursionDesired: header.RecursionDesired, RecursionAvailable: true}
	question, err := parser.Question()
	if err != nil || header.OpCode != 0 {
		answer.RCode = dnsmessage.RCodeNotImplemented
		packed, _ := (&dnsmessage.Message{Header: answer}).Pack()
		return packed
	}
	message := dnsmessage.Message{Header: answer, Questions: []dnsmessage.Question{question}}
	content, err := names()
	address, known := findName(string(content), question.Name.String())
	switch {
	case err != nil:
		message.RCode = dnsmessage.RCodeServerFailure
	case !known:
		message.RCode = dnsmessage.RCodeNameError
	case question.Type == dnsmessage.TypeA && question.Class == dnsmessage.ClassINET:
		message.Answers = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: question.Name, Class: dnsmessage.ClassINET, TTL: nameTTL},
			Body:   &dnsmessage.AResource{A: address.As4()},
		}}
	}
	packed, _ := message.Pack()
	return packed
}

// findName looks for a name in a file of lines "address name", small letters.
func findName(content, name string) (netip.Addr, bool) {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	for line := range strings.Lines(content) {
		fields := strings.Fields(line)
		if len(fields) != 2 || fields[1] != name {
			continue
		}
		if address, err := netip.ParseAddr(fields[0]); err == nil && address.Is4() {
			return address, true
		}
	}
	return netip.Addr{}, false
}
