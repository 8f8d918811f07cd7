#!/bin/sh
# What the lab and the tests need from the system. Lists what is missing, then installs it with apt when it may.
#
#   containerlab/install.sh [--no-install] [--tests]
#
# --tests: also what only tests and benchmarks need: a C compiler, the parts of a Kubernetes cluster, container runtimes,
# an image builder. PYTHON=python3.12 names the Python that makes the virtual environment.
#
# Nothing that is installed here starts or stays enabled: packages of routing daemons would otherwise run one on the
# machine itself. Exit 0: everything is there. Exit 1: something is missing, and said.
set -eu

PYTHON=${PYTHON:-python3}
POLICY=/usr/sbin/policy-rc.d
KEPT=$POLICY.before-felixpy

install=yes
tests=no
for argument in "$@"; do
    case $argument in
    --no-install) install=no ;;
    --tests) tests=yes ;;
    -h | --help) sed -n '2,10s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) echo "install.sh: $argument: no such option; there are --no-install and --tests" >&2; exit 2 ;;
    esac
done

packages=
missing() { # missing PACKAGE WHAT-FOR WHAT-WAS-LOOKED-FOR
    packages="$packages $1"
    echo "missing: $3 (Debian package $1): $2" >&2
}
command_of() { command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ] || [ -x "/sbin/$1" ]; }

command_of ip || missing iproute2 "links and addresses of the lab" ip
command_of nsenter || missing util-linux "the way into a lab node" nsenter
command_of ping || missing iputils-ping "pings from pod to pod" ping
command_of pkill || missing procps "ending one daemon of a node" pkill
command_of nft || missing nftables "the source check of IPv6 pods" nft
command_of tshark || missing tshark "proof of what is on the wire" tshark
[ -x /usr/lib/frr/bgpd ] || missing frr "the top-of-rack switch" /usr/lib/frr/bgpd
command_of bird || missing bird2 "the peer that tests compare with" bird
command_of gobgpd || missing gobgpd "one more peer in tests" gobgpd
if [ "$tests" = yes ]; then
    command_of cc || missing gcc "the static CNI plugin, and the C programs of the benchmarks" cc
    { command_of cc && printf '#include <stdio.h>\n' | cc -E - >/dev/null 2>&1; } || missing libc6-dev "the same" stdio.h
    command_of strace || missing strace "the agent killed at each of its steps" strace
    command_of curl || missing curl "a page asked of a container" curl
    command_of dpkg-source || missing dpkg-dev "Kubernetes is built from Debian's source package" dpkg-source
    command_of iperf3 || missing iperf3 "throughput in the benchmarks" iperf3
    command_of ethtool || missing ethtool "offloads on and off in the benchmarks" ethtool
    command_of openssl || missing openssl "certificates of the cluster" openssl
    command_of etcd || missing etcd-server "the datastore of the cluster" etcd
    command_of containerd || missing containerd "containers of the cluster, and without one" containerd
    command_of runc || missing runc "the same" runc
    command_of chromium || missing chromium "the page in a real browser" chromium
    dejavu=/usr/share/fonts/truetype/dejavu
    [ -d "$dejavu" ] || missing fonts-dejavu-core "letters for the browser" "$dejavu"
    command_of podman || missing podman "a second runtime" podman
    cni=/usr/lib/cni/portmap
    [ -x "$cni" ] || missing containernetworking-plugins "the plugins chained after ours" "$cni"
    command_of iptables || missing iptables "service addresses of the cluster, host ports of pods" iptables
    command_of conntrack || missing conntrack "the same" conntrack
    { command_of busybox && ! ldd "$(command -v busybox)" >/dev/null 2>&1; } ||
        missing busybox-static "what runs in pods" "a static busybox"
    command_of buildah || missing buildah "building the image of both daemons" buildah
    command_of mmdebstrap || missing mmdebstrap "the image that it starts from" mmdebstrap
    { command_of prometheus && command_of promtool; } || missing prometheus "the dashboard and the alerts" prometheus
    command_of systemd-analyze || missing systemd "the check of the systemd units" systemd-analyze
fi
"$PYTHON" -c 'import ensurepip, venv' 2>/dev/null || missing python3-venv "the virtual environment" "$PYTHON -m venv"

[ -n "$packages" ] || exit 0
line="apt-get install --no-install-recommends$packages"
if [ "$install" = no ]; then
    echo "nothing was installed, as asked (--no-install); as root: $line" >&2
    exit 1
elif [ "$(id -u)" != 0 ]; then
    echo "only root can install them: sudo $line" >&2
    exit 1
elif ! command -v apt-get >/dev/null 2>&1; then
    echo "there is no apt-get here: install the programs named above in this system's way" >&2
    exit 1
fi

started_at_boot() { # every service that the machine would start by itself
    find /etc/systemd/system /etc/rc?.d \( -path '*.wants/*' -o -name 'S[0-9]*' \) 2>/dev/null | sort
}
put_back() {
    rm -f "$POLICY"
    [ ! -e "$KEPT" ] || mv "$KEPT" "$POLICY"
}

before=$(mktemp)
after=$(mktemp)
trap 'put_back; rm -f "$before" "$after"' EXIT
trap 'exit 130' INT TERM HUP
started_at_boot >"$before"
# An installation that was killed may have left our policy and the user's own beside it.
[ -e "$KEPT" ] || [ ! -e "$POLICY" ] || mv "$POLICY" "$KEPT"
printf '#!/bin/sh\n# put here by install.sh for the time of an installation\nexit 101\n' >"$POLICY"
chmod 755 "$POLICY"

echo "installing:$packages" >&2
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086 # a list of words
apt-get install --quiet --quiet --yes --no-install-recommends $packages >/dev/null 2>&1 || {
    apt-get update --quiet --quiet >&2
    apt-get install --quiet --quiet --yes --no-install-recommends $packages >&2
}

started_at_boot >"$after"
comm -13 "$before" "$after" | while read -r link; do
    case $link in
    *.wants/*)
        unit=${link##*/}
        deb-systemd-helper disable "$unit" >/dev/null 2>&1 || true
        rm -f "$link"
        ;;
    *)
        name=${link##*/S[0-9][0-9]}
        update-rc.d "$name" disable >/dev/null 2>&1 || true
        rm -f "$link"
        ;;
    esac
done
echo "installed; none of it was started, none of it starts at boot" >&2
