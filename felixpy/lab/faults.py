"""The catalogue of faults: each a few commands that spoil one thing in a running lab, and those that mend it. Pure.

A fault has the name of the doctor's check that finds it. Commands run in a node with `sh -e`; `PRELUDE` gives them a few
words. They are for the quickstart's shape: eth1 leads to a segment with the other nodes, the switch is 172.20.0.1.
"""

from collections.abc import Mapping
from dataclasses import dataclass

PRELUDE = r"""
cali() { ip -o link show type veth | sed -n 's/^[0-9]*: \(cali[^@:]*\).*/\1/p' | head -1; }
pod() { ip route show proto 80 | sed 's/ .*//' | head -1; }
block() { ip route show type blackhole proto bird | sed 's/blackhole \([^ ]*\).*/\1/' | head -1; }
learned() { ip route show proto bird | grep via | sed 's/ .*//' | grep '^10\.' | head -1; }
pid_of() { sed 's/ .*//' /run/felixpy/$1.pid; }
freeze() { for d in "$@"; do kill -STOP $(pid_of $d); done; }
thaw() { for d in "$@"; do kill -CONT $(pid_of $d); done; }
# A program that does nothing, under another's name: what matters is that it is there.
act() { name=$1; shift; setsid "$@" python3 -c "import time; open('/proc/self/comm', 'w').write('$name'); time.sleep(86400)" \
  </dev/null >/dev/null 2>&1 & echo $! > /run/felixpy/fault-$name; sleep 0.3; }
leave() { kill $(cat /run/felixpy/fault-$1); rm /run/felixpy/fault-$1; }
pretend() { echo $2 > /run/felixpy/fault-value; mount --bind /run/felixpy/fault-value $1; }
truth() { umount $1; rm -f /run/felixpy/fault-value; }
store() { printf '%s\n' "$1" | felixpy apply -f - ; }
"""

POOL6 = """apiVersion: projectcalico.org/v3
kind: IPPool
metadata: {name: fault-six}
spec: {cidr: fd00:65::/48}"""


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to spoil a lab."""

    name: str  # of the check that finds it
    says: str  # what happens, for the list
    spoil: str
    mend: str
    node: str = "n1"


def _pool(name: str, rest: str) -> str:
    head = f"apiVersion: projectcalico.org/v3\nkind: IPPool\nmetadata: {{name: {name}}}\n"
    return f"store '{head}spec: {{{rest}}}'"


def _node(name: str, address: str) -> str:
    head = f"apiVersion: projectcalico.org/v3\nkind: Node\nmetadata: {{name: {name}}}\n"
    return f"store '{head}spec: {{bgp: {{ipv4Address: {address}}}}}'"


def _raw(folder: str, name: str, document: str) -> str:
    """A file put into the store by hand, as `apply` would refuse it."""
    return f"cat > /var/lib/felixpy/store/{folder}/.f <<'END'\n{document}\nEND\nmv /var/lib/felixpy/store/{folder}/.f /var/lib/felixpy/store/{folder}/{name}.yaml"


def _sysctl(path: str, value: str) -> str:
    return f"echo {value} > /proc/sys/{path}"


ALL4 = "net/ipv4/conf/all"
KERNEL = (
    Fault("ipv4-forwarding", "felixpy hangs and somebody switches forwarding off",
          "freeze felixpy; " + _sysctl("net/ipv4/ip_forward", "0"), "thaw felixpy; " + _sysctl("net/ipv4/ip_forward", "1")),
    Fault("ipv6-forwarding", "there is an IPv6 pool and IPv6 is not forwarded",
          f"store '{POOL6}'; freeze felixpy; " + _sysctl("net/ipv6/conf/all/forwarding", "0"),
          "thaw felixpy; felixpy delete ippool fault-six"),
    Fault("ipv6-disabled", "there is an IPv6 pool and IPv6 is switched off",
          f"store '{POOL6}'; " + _sysctl("net/ipv6/conf/all/disable_ipv6", "1"),
          _sysctl("net/ipv6/conf/all/disable_ipv6", "0") + "; felixpy delete ippool fault-six"),
    Fault("rp-filter-uplinks", "a second uplink, and strict reverse path filters",
          "ip link add up2 type veth peer name up2b; ip address add 192.0.2.1/24 dev up2; ip link set up2 up; ip link set up2b up; "
          + _sysctl(f"{ALL4}/rp_filter", "1"),
          "ip link del up2; " + _sysctl(f"{ALL4}/rp_filter", "0")),
    Fault("rp-filter-pods", "felixpy hangs and a pod may send from any address",
          "freeze felixpy; c=$(cali); " + _sysctl(f"{ALL4}/rp_filter", "0") + "; " + _sysctl("net/ipv4/conf/$c/rp_filter", "0"),
          "c=$(cali); " + _sysctl("net/ipv4/conf/$c/rp_filter", "1") + "; thaw felixpy"),
    Fault("linkdown-ways", "ways without carrier are used",
          "freeze felixpy birdpy; ip route add 203.0.113.0/24 nexthop via 172.20.0.12 nexthop via 172.20.0.13; "
          + _sysctl(f"{ALL4}/ignore_routes_with_linkdown", "0"),
          "ip route del 203.0.113.0/24; " + _sysctl(f"{ALL4}/ignore_routes_with_linkdown", "1") + "; thaw felixpy birdpy"),
    Fault("forward-policy", "a firewall drops what it does not know",
          "nft 'add table ip wall; add chain ip wall FORWARD { type filter hook forward priority 0; policy drop; }'",
          "nft delete table ip wall"),
    Fault("nft", "nft is gone where IPv6 sources must be checked",
          f"command -v nft > /run/felixpy/fault-nft; mount --bind /dev/null $(command -v nft); store '{POOL6}'", "umount $(cat /run/felixpy/fault-nft); rm /run/felixpy/fault-nft; felixpy delete ippool fault-six"),
    Fault("uplinks", "the uplink goes down", "ip link set eth1 down", "ip link set eth1 up"),
    Fault("pods-up", "an endpoint whose interface is not there",
          """store 'apiVersion: projectcalico.org/v3
kind: WorkloadEndpoint
metadata: {name: n1-k8s-ghost-eth0, namespace: default}
spec: {node: n1, orchestrator: k8s, pod: ghost, endpoint: eth0, ipNetworks: [10.65.255.1/32], interfaceName: calighost}'""",
          "felixpy delete workloadendpoint default/n1-k8s-ghost-eth0"),
    Fault("pod-mtu", "a pod's interface takes more than the uplink", "ip link set $(cali) mtu 9000", "ip link set $(cali) mtu 1500"),
    Fault("duplicate-address-detection", "an IPv6 address waits for ever for duplicate address detection",
          _sysctl("net/ipv6/conf/eth1/accept_dad", "1") + "; " + _sysctl("net/ipv6/conf/eth1/dad_transmits", "60") + "; ip -6 address add fd00:99::1/64 dev eth1",
          "ip -6 address del fd00:99::1/64 dev eth1; " + _sysctl("net/ipv6/conf/eth1/dad_transmits", "1")),
    Fault("next-hops", "a next hop that nobody answers for",
          "ip route add 203.0.113.0/24 via 172.20.0.99; ping -c1 -W1 203.0.113.1 >/dev/null 2>&1 || true; sleep 3.2",
          "ip route del 203.0.113.0/24 via 172.20.0.99"),
    Fault("accept-ra", "felixpy hangs, and the default route of an advertisement will time out",
          "freeze felixpy; " + _sysctl("net/ipv6/conf/all/forwarding", "1") + "; " + _sysctl("net/ipv6/conf/eth1/accept_ra", "1")
          + "; ip -6 route add default via fe80::1 dev eth1 proto ra",
          "ip -6 route del default via fe80::1 dev eth1 proto ra; thaw felixpy"),
    Fault("foreign-speaker", "another program writes birdpy's protocol number",
          "ip route add 203.0.113.0/24 via 172.20.0.12 proto bird metric 1024", "ip route del 203.0.113.0/24 proto bird"),
    Fault("foreign-routes", "a stranger's route to another node's block",
          "ip route add $(learned) via 172.20.0.1 proto static", "ip route del $(ip route show proto static | sed 's/ .*//' | head -1) proto static"),
    Fault("policy-rules", "a policy rule takes pods' packets elsewhere",
          "ip rule add from 10.65.0.0/16 lookup 100 priority 100", "ip rule del priority 100"),
    Fault("node-address", "the Node resource has an address that no interface has",
          _node("n1", "172.20.0.111/24"), _node("n1", "172.20.0.11/24")),
)  # fmt: skip

DAEMONS = (
    Fault("daemons-running", "birdpy hangs", "freeze birdpy", "thaw birdpy"),
    Fault("datastore", "the datastore goes away", "mount -t tmpfs tmpfs /var/lib/felixpy", "umount /var/lib/felixpy"),
    Fault("in-sync", "birdpy restarts while the datastore is away",
          "mount -t tmpfs tmpfs /var/lib/felixpy; kill -9 $(pid_of birdpy); sleep 2", "umount /var/lib/felixpy"),
    Fault("refused-keys", "a stranger's route takes the place of a learned one",
          "r=$(learned); ip route replace $r via 172.20.0.1 metric 1024 proto static",
          "ip route del $(ip route show proto static | sed 's/ .*//' | head -1) proto static metric 1024"),
    Fault("broken-objects", "an object that cannot be read",
          "mkdir -p /var/lib/felixpy/store/bgpfilters; " + _raw("bgpfilters", "broken", "spec: ["),
          "rm /var/lib/felixpy/store/bgpfilters/broken.yaml"),
    Fault("sessions", "a peer that is not there", """store 'apiVersion: projectcalico.org/v3
kind: BGPPeer
metadata: {name: fault}
spec: {node: n1, peerIP: 172.20.0.99, asNumber: 65009}'""", "felixpy delete bgppeer fault"),
    Fault("graceful-restart", "the switch forgets graceful restart",
          "vtysh -c 'configure terminal' -c 'router bgp 65000' -c 'no bgp graceful-restart' -c 'bgp graceful-restart-disable' -c end -c 'clear bgp *'",
          "vtysh -c 'configure terminal' -c 'router bgp 65000' -c 'no bgp graceful-restart-disable' -c 'bgp graceful-restart' -c end -c 'clear bgp *'",
          node="tor"),
    Fault("drained", "the node is drained", "birdpy drain --settle 0", "birdpy drain --undo"),
    Fault("bgp-port", "another program listens on the BGP port",
          """setsid python3 -c "
import socket, time
open('/proc/self/comm', 'w').write('speaker')
s = socket.socket(socket.AF_INET6); s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
s.bind(('::1', 179)); s.listen(); time.sleep(86400)" </dev/null >/dev/null 2>&1 & echo $! > /run/felixpy/fault-speaker; sleep 0.3""",
          "leave speaker"),
    Fault("route-managers", "dhcpcd runs", "act dhcpcd", "leave dhcpcd"),
    Fault("networkd", "systemd-networkd runs and removes foreign routes", "act systemd-network", "leave systemd-network"),
    Fault("other-networks", "calico-node runs", "act calico-node", "leave calico-node"),
    Fault("other-routers", "a second BGP speaker runs", "act gobgpd", "leave gobgpd"),
    Fault("cni-files", "another plugin's configuration comes first",
          "mkdir -p /run/felixpy/fault-up /run/felixpy/fault-work; mount -t tmpfs tmpfs /run/felixpy/fault-up; "
          "mkdir /run/felixpy/fault-up/u /run/felixpy/fault-up/w; "
          "mount -t overlay overlay -o lowerdir=/etc,upperdir=/run/felixpy/fault-up/u,workdir=/run/felixpy/fault-up/w /etc; "
          "mkdir -p /etc/cni/net.d; echo '{}' > /etc/cni/net.d/00-other.conf; echo '{}' > /etc/cni/net.d/05-felixpy.conflist",
          "umount /etc; umount /run/felixpy/fault-up; rmdir /run/felixpy/fault-up /run/felixpy/fault-work"),
    Fault("capabilities", "a daemon without CAP_NET_ADMIN",
          "act birdpy setpriv --bounding-set=-net_admin --inh-caps=-net_admin", "leave birdpy"),
    Fault("md5", "a password on our side only", """store 'apiVersion: v1
kind: Secret
metadata: {name: fault, namespace: kube-system}
stringData: {password: wrong}'
store 'apiVersion: projectcalico.org/v3
kind: BGPPeer
metadata: {name: fault}
spec: {node: n1, peerIP: 172.20.0.12, asNumber: 64512, password: {secretKeyRef: {name: fault, key: password}}}'
sleep 6""", "felixpy delete bgppeer fault; felixpy delete secret kube-system/fault"),
    Fault("conntrack", "the connection table seems full", "pretend /proc/sys/net/netfilter/nf_conntrack_max 1; ping -c1 -W1 172.20.0.1 >/dev/null; "
          "mount --bind /run/felixpy/fault-value /proc/sys/net/netfilter/nf_conntrack_count",
          "umount /proc/sys/net/netfilter/nf_conntrack_count; truth /proc/sys/net/netfilter/nf_conntrack_max"),
    Fault("inotify", "there seem to be few inotify instances", "pretend /proc/sys/fs/inotify/max_user_instances 1",
          "truth /proc/sys/fs/inotify/max_user_instances"),
    Fault("open-files", "birdpy may open few files more", "prlimit --pid $(pid_of birdpy) --nofile=18:", "prlimit --pid $(pid_of birdpy) --nofile=20000:"),
    Fault("disk", "the disk of the state folder is full",
          "mkdir -p /run/felixpy/fault-store; mount --bind /var/lib/felixpy/store /run/felixpy/fault-store; "
          "mount -t tmpfs -o size=64k tmpfs /var/lib/felixpy; mkdir /var/lib/felixpy/store; "
          "mount --bind /run/felixpy/fault-store /var/lib/felixpy/store; dd if=/dev/zero of=/var/lib/felixpy/filler bs=1k count=64 2>/dev/null || true",
          "umount /var/lib/felixpy/store; umount /var/lib/felixpy; umount /run/felixpy/fault-store; rmdir /run/felixpy/fault-store"),
)  # fmt: skip

CLUSTER = (
    Fault("node-addresses", "two nodes with one address", _raw("nodes", "fault", """apiVersion: projectcalico.org/v3
kind: Node
metadata: {name: fault}
spec: {bgp: {ipv4Address: 172.20.0.12/24}}"""), "felixpy delete node fault"),
    Fault("pools-overlap", "two pools overlap", _raw("ippools", "fault", """apiVersion: projectcalico.org/v3
kind: IPPool
metadata: {name: fault}
spec: {cidr: 10.65.128.0/17}"""), "felixpy delete ippool fault"),
    Fault("pools-and-links", "a pool covers the nodes' own network", _pool("fault", "cidr: 172.20.0.0/24, disabled: true"), "felixpy delete ippool fault"),
    Fault("pools-missing", "the only pool is disabled", _pool("pods", "cidr: 10.65.0.0/16, blockSize: 26, disabled: true"),
          _pool("pods", "cidr: 10.65.0.0/16, blockSize: 26")),
    Fault("pools-full", "a pool of one address, and it is taken",
          _pool("fault", "cidr: 10.99.0.0/32, blockSize: 32") + "; felixpy pod add fault --ip 10.99.0.0",
          "felixpy pod delete fault; felixpy delete ippool fault; rm -f /var/lib/felixpy/store/ipamblocks/10-99-0-0-32.yaml "
          "/var/lib/felixpy/store/blockaffinities/*10-99-0-0-32.yaml"),
    Fault("ipam-books", "a handle is gone whose addresses are not",
          "h=$(felixpy get ipamhandle -o json | python3 -c 'import json, sys; print(json.load(sys.stdin)[\"items\"][0][\"metadata\"][\"name\"])'); "
          "cp /var/lib/felixpy/store/ipamhandles/$h.yaml /run/felixpy/fault-handle; echo $h > /run/felixpy/fault-name; rm /var/lib/felixpy/store/ipamhandles/$h.yaml",
          "cp /run/felixpy/fault-handle /var/lib/felixpy/store/ipamhandles/.f; mv /var/lib/felixpy/store/ipamhandles/.f "
          "/var/lib/felixpy/store/ipamhandles/$(cat /run/felixpy/fault-name).yaml; rm /run/felixpy/fault-handle /run/felixpy/fault-name"),
    Fault("nat-outgoing", "a pool asks for NAT", _pool("fault", "cidr: 10.98.0.0/24, natOutgoing: true"), "felixpy delete ippool fault"),
    Fault("tunnels", "a pool asks for a tunnel", _pool("fault", "cidr: 10.98.0.0/24, vxlanMode: Always"), "felixpy delete ippool fault"),
    Fault("node-resources", "a node without its Node resource", "felixpy delete node n1", _node("n1", "172.20.0.11/24")),
    Fault("segment-mtu", "one end of the segment takes less", "ip link set eth1 mtu 1400", "ip link set eth1 mtu 1500"),
    Fault("route-sync", "routes are not to be written", """store 'apiVersion: projectcalico.org/v3
kind: FelixConfiguration
metadata: {name: default}
spec: {routeSyncDisabled: true}'""", "felixpy delete felixconfiguration default"),
)  # fmt: skip

FAULTS: Mapping[str, Fault] = {fault.name: fault for fault in (*KERNEL, *DAEMONS, *CLUSTER)}
# What no fault of a lab can show: one kernel has one clock and one size of neighbour tables, one version of the program
# runs, and router ids come from addresses that must differ for a lab to come up. Unit tests show these checks red.
NOT_IN_A_LAB = frozenset({"clocks", "versions", "router-ids", "kernel", "conditions", "neighbour-table"})
