#!/bin/bash
# Builds what a real cluster is made of, Kubernetes 1.20.2, from Debian bookworm's source package, once per user.
#
#   tests/cluster/build.sh            prints the folder with the binaries, after building them if they are not there
#   tests/cluster/build.sh --cached   prints it only if they are there, else exit 3: nothing is downloaded or built
#
# The folder is ~/.cache/felixpy/kubernetes/VERSION-HASH (XDG_CACHE_HOME is honoured). HASH is that of this folder's
# build scripts, so changed scripts build anew. It appears by one rename, complete; a second build waits for the first.
# The source entry and the compiler live in a folder of the build's own: /etc/apt is not touched and no root is needed.
# Needs apt-get, dpkg-dev, gcc, flock; 120 MB of downloads, 3 GB of disk while it builds, 3 to 5 minutes of two cores.
# Progress goes to stderr. Exit 1: it cannot be built here, and why.
set -euo pipefail

SUITE=bookworm
GO_VERSION=1.19
KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg
COMPONENTS=(kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy kubectl)
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
CACHE=${XDG_CACHE_HOME:-${HOME:?}/.cache}/felixpy/kubernetes
HASH=$(cat "$HERE"/build.sh "$HERE"/build-*.sh | sha256sum | cut -c1-12)

say() { echo "build.sh: $*" >&2; }
fail() { say "$*"; exit 1; }
seconds() { echo $((SECONDS - ${1:-0})) s; }

built() { # the folder, if there is one
    local folder
    for folder in "$CACHE"/*-"$HASH"; do
        [ ! -d "$folder" ] || { echo "$folder"; return 0; }
    done
    return 1
}

configure_apt() { # a private apt: its own sources, lists and downloads; the machine's mirror, proxy and keys
    local uri suite
    mkdir -p "$WORK"/apt/{lists/partial,archives/partial}
    # shellcheck disable=SC2016 # apt fills these in
    uri=$(apt-get indextargets --format '$(ORIGIN) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
        grep '^Debian main ' | grep -v -e security -e debug | head -n 1 | cut -d' ' -f3)
    for suite in deb deb-src; do
        echo "$suite [signed-by=$KEYRING] ${uri:-http://deb.debian.org/debian} $SUITE main"
    done >"$WORK/apt/sources.list"
    APT=(-q -q -o Dir::Etc::SourceList="$WORK/apt/sources.list" -o Dir::Etc::SourceParts=/nonexistent
        -o Dir::State::Lists="$WORK/apt/lists" -o Dir::Cache="$WORK/apt" -o APT::Sandbox::User=
        -o APT::Get::List-Cleanup=false -o Debug::NoLocking=true)
    say "reading Debian $SUITE's lists"
    apt-get "${APT[@]}" update >&2 || fail "apt-get update did not work for ${uri:-deb.debian.org}"
}

fetch_compiler() { # Debian's Go, unpacked beside the build instead of installed
    local deb
    say "downloading Go $GO_VERSION ($(seconds))"
    (cd "$WORK/apt" && apt-get "${APT[@]}" download "golang-$GO_VERSION-go:$(dpkg --print-architecture)" \
        "golang-$GO_VERSION-src" golang-github-modern-go-reflect2-dev >&2)
    for deb in "$WORK"/apt/*.deb; do
        dpkg-deb -x "$deb" "$WORK/root"
        rm "$deb"
    done
    export GOROOT=$WORK/root/usr/lib/go-$GO_VERSION GOPATH=$WORK/gopath GOCACHE=$WORK/gocache GOTMPDIR=$WORK/tmp
    export GO111MODULE=off GOFLAGS=-tags=providerless,dockerless GOPROXY=off CGO_ENABLED=0
    GO=$GOROOT/bin/go
    mkdir -p "$GOTMPDIR"
    say "$("$GO" version)"
}

fetch_source() { # the complete upstream tree; Debian itself builds only kubectl from it
    say "downloading the source package ($(seconds))"
    (cd "$WORK/apt" && apt-get "${APT[@]}" source --only-source "kubernetes=$(source_version)" >/dev/null) ||
        fail "Debian $SUITE's source package of kubernetes cannot be fetched or unpacked"
    SOURCE=$GOPATH/src/k8s.io/kubernetes
    mkdir -p "${SOURCE%/*}"
    mv "$WORK"/apt/kubernetes-*/ "$SOURCE"
}

source_version() {
    apt-cache "${APT[@]}" showsrc --only-source kubernetes | sed -n 's/^Version: //p' | sort -V | tail -n 1
}

mend_source() {
    local reflect2=vendor/github.com/modern-go/reflect2 folders
    cd "$SOURCE"
    # The vendored reflect2 1.0.1 calls runtime.mapiterinit as it was before Go 1.18.
    cp "$WORK"/root/usr/share/gocode/src/github.com/modern-go/reflect2/* $reflect2/
    rm -f $reflect2/go_above_17.go $reflect2/go_below_17.go $reflect2/go_below_19.go $reflect2/go.mod
    "$HERE/build-discovery-v1.sh" .
    "$HERE/build-kustomize.sh" .
    # The one generated file that is not in the tarball.
    say "generating the OpenAPI definitions ($(seconds))"
    "$GO" build -o "$WORK/openapi-gen" ./vendor/k8s.io/kube-openapi/cmd/openapi-gen
    folders=$(grep -rlE --include='*.go' '^// *\+k8s:openapi-gen=' pkg cmd plugin vendor/k8s.io/*/ |
        grep -v -E '^vendor/k8s.io/(code-generator|sample-apiserver)/|_test.go$' |
        xargs -n1 dirname | LC_ALL=C sort -u | sed 's#^#k8s.io/kubernetes/#' | paste -sd,)
    "$WORK/openapi-gen" --logtostderr -i "$folders" -p k8s.io/kubernetes/pkg/generated/openapi \
        -O zz_generated.openapi -h vendor/k8s.io/code-generator/hack/boilerplate.go.txt -r "$WORK/violations" >/dev/null
}

compile() {
    local package flags="-s -w" one
    for package in component-base/version client-go/pkg/version; do
        package=k8s.io/kubernetes/vendor/k8s.io/$package
        flags="$flags -X $package.gitVersion=v1.20.2 -X $package.gitMajor=1 -X $package.gitMinor=20 -X $package.gitTreeState=clean"
    done
    for one in "${COMPONENTS[@]}"; do
        "$GO" build -trimpath -ldflags "$flags" -o "$WORK/out/$one" "./cmd/$one"
        say "$one built ($(seconds))"
    done
    gcc -Os -Wall -static -o "$WORK/out/pause" build/pause/linux/pause.c
}

main() {
    local folder tool
    if folder=$(built); then echo "$folder"; exit 0; fi
    [ "${1:-}" != --cached ] || exit 3
    for tool in apt-get dpkg-source dpkg-deb gcc flock; do
        command -v "$tool" >/dev/null || fail "$tool is missing: make test-tools installs it"
    done
    [ -r "$KEYRING" ] || fail "Debian's archive keys are missing ($KEYRING): install debian-archive-keyring"
    mkdir -p "$CACHE"
    exec 9>"$CACHE/.lock"
    flock --nonblock 9 || { say "another build is under way; waiting for it"; flock 9; }
    if folder=$(built); then echo "$folder"; exit 0; fi
    rm -rf "$CACHE"/.building.* # of a build that was killed: nobody else holds the lock
    WORK=$(mktemp -d "$CACHE/.building.XXXXXX")
    trap 'chmod -R u+w "$WORK" && rm -rf "$WORK"' EXIT
    trap 'exit 130' INT TERM HUP
    configure_apt
    fetch_compiler
    fetch_source
    mend_source
    mkdir "$WORK/out"
    compile
    chmod 755 "$WORK/out"
    folder=$CACHE/$(source_version)-$HASH
    mv "$WORK/out" "$folder"
    say "ready in $(seconds)"
    echo "$folder"
}
main "$@"
