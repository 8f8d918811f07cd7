#!/bin/bash
# kubectl 1.20 carries kustomize 2.0.3, which takes folders only under `bases:`; every later kubectl takes them under
# `resources:` and calls `bases:` deprecated. Teach it the later spelling, so that one set of manifests does for both.
#
#   build-kustomize.sh SOURCE     the unpacked source of Kubernetes 1.20
set -euo pipefail
cd "${1:?SOURCE}/vendor/sigs.k8s.io/kustomize/pkg/target"

sed -i 's#^\t"fmt"#&\n\t"os"\n\t"path/filepath"#' kusttarget.go
sed -i '/^\terrs := k.EnforceFields()/i\
\tvar files []string\
\tfor _, path := range k.Resources {\
\t\tif s, err := os.Stat(filepath.Join(ldr.Root(), path)); err == nil \&\& s.IsDir() {\
\t\t\tk.Bases = append(k.Bases, path)\
\t\t} else {\
\t\t\tfiles = append(files, path)\
\t\t}\
\t}\
\tk.Resources = files' kusttarget.go
grep -q 'k.Bases = append(k.Bases, path)' kusttarget.go && grep -q '"path/filepath"' kusttarget.go
