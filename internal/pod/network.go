package pod

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

const (
	bridgeName = "lab0"
	podLink    = "eth0"
)

// makeBridge makes the machine's network: loopback and the pods' bridge.
func makeBridge() error {
	if err := linkUp("lo"); err != nil {
		return err
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name = bridgeName
	bridge := &netlink.Bridge{LinkAttrs: attrs}
	if err := netlink.LinkAdd(bridge); err != nil {
		return linkError("bridge", err)
	}
	prefix := netip.MustParsePrefix(Network)
	address := &netlink.Addr{IPNet: &net.IPNet{IP: net.ParseIP(Gateway), Mask: net.CIDRMask(prefix.Bits(), 32)}}
	if err := netlink.AddrAdd(bridge, address); err != nil {
		return fmt.Errorf("cannot give the bridge its address: %w", err)
	}
	// The host's setting may have been inherited. Without forwarding, what is
	// sent to an address outside of the network gets no answer.
	if err := os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("0"), 0o644); err != nil {
		return fmt.Errorf("cannot switch forwarding off: %w", err)
	}
	return linkUp(bridgeName)
}

// linkError says what a kernel that cannot make a link lacks.
func linkError(kind string, err error) error {
	if errors.Is(err, unix.EOPNOTSUPP) {
		return fmt.Errorf("cannot make a %s: this kernel has none: `modprobe %s` as root", kind, kind)
	}
	return fmt.Errorf("cannot make a %s: %w", kind, err)
}

// checkAddress says whether a pod can have the address.
func checkAddress(address string) error {
	addr, err := netip.ParseAddr(address)
	if err != nil || !netip.MustParsePrefix(Network).Contains(addr) || address == Gateway {
		return fmt.Errorf("address %q is none of a pod in %s", address, Network)
	}
	return nil
}

// hostLink is the name of a pod's link on the bridge.
func hostLink(address string) string {
	return fmt.Sprintf("v%x", netip.MustParseAddr(address).As4())
}

// connect puts a link into the network namespace of a process and ties its
// other end to the bridge.
func connect(pid int, address string) error {
	bridge, err := netlink.LinkByName(bridgeName)
	if err != nil {
		return fmt.Errorf("cannot find the machine's bridge: %w", err)
	}
	disconnect(address) // of a pod that died with its daemon
	attrs := netlink.NewLinkAttrs()
	attrs.Name = hostLink(address)
	attrs.MasterIndex = bridge.Attrs().Index
	// The hardware address follows from the address, so that no neighbour
	// remembers the wrong one when an address comes back.
	hardware := append(net.HardwareAddr{0x02, 0x42}, net.ParseIP(address).To4()...)
	veth := &netlink.Veth{LinkAttrs: attrs, PeerName: podLink, PeerNamespace: netlink.NsPid(pid), PeerHardwareAddr: hardware}
	if err := netlink.LinkAdd(veth); err != nil {
		return linkError("veth", err)
	}
	return linkUp(attrs.Name)
}

// disconnect removes a pod's link from the bridge, if it is there.
func disconnect(address string) {
	if link, err := netlink.LinkByName(hostLink(address)); err == nil {
		netlink.LinkDel(link)
	}
}

// configureNetwork gives this network namespace, a pod's, its address.
func configureNetwork(address string) error {
	if err := linkUp("lo"); err != nil {
		return err
	}
	link, err := netlink.LinkByName(podLink)
	if err != nil {
		return fmt.Errorf("cannot find %s: %w", podLink, err)
	}
	bits := netip.MustParsePrefix(Network).Bits()
	if err := netlink.AddrAdd(link, &netlink.Addr{IPNet: &net.IPNet{IP: net.ParseIP(address), Mask: net.CIDRMask(bits, 32)}}); err != nil {
		return fmt.Errorf("cannot set the address %s: %w", address, err)
	}
	if err := linkUp(podLink); err != nil {
		return err
	}
	if err := netlink.RouteAdd(&netlink.Route{LinkIndex: link.Attrs().Index, Gw: net.ParseIP(Gateway)}); err != nil {
		return fmt.Errorf("cannot set the default route: %w", err)
	}
	// As in a container: no privilege is needed for a port below 1024. Old
	// kernels lack it, and nothing of ours depends on it.
	_ = os.WriteFile("/proc/sys/net/ipv4/ip_unprivileged_port_start", []byte("0"), 0o644)
	return nil
}

func linkUp(name string) error {
	link, err := netlink.LinkByName(name)
	if err == nil {
		err = netlink.LinkSetUp(link)
	}
	if err != nil {
		return fmt.Errorf("cannot set the link %s up: %w", name, err)
	}
	return nil
}
