#!/bin/bash
# Kubernetes 1.20 serves EndpointSlices as discovery.k8s.io/v1beta1 only; v1, of 1.21, has the same shape but for
# `topology`, which it calls `deprecatedTopology`. Serve both from the 1.20 tree, stored as v1beta1: one server then
# answers for both worlds (`--runtime-config=discovery.k8s.io/v1=false` gives plain 1.20 back).
#
#   build-discovery-v1.sh SOURCE     the unpacked source of Kubernetes 1.20
set -euo pipefail
cd "${1:?SOURCE}"

api=staging/src/k8s.io/api/discovery
internal=pkg/apis/discovery
storage=pkg/registry/discovery/rest/storage_discovery.go

copy_types() { # the versioned types and their conversions, renamed
    mkdir $api/v1 $internal/v1
    cp $api/v1beta1/{doc,generated.pb,register,types,types_swagger_doc_generated,well_known_labels,zz_generated.deepcopy}.go \
        $api/v1beta1/generated.proto $api/v1/
    sed -i -e 's/v1beta1/v1/g' -e '/k8s:prerelease-lifecycle-gen/d' \
        -e 's/json:"topology,omitempty"/json:"deprecatedTopology,omitempty"/' \
        -e 's/"topology": /"deprecatedTopology": /' $api/v1/*
    cp $internal/v1beta1/{defaults,doc,register,zz_generated.conversion,zz_generated.defaults}.go $internal/v1/
    # There the name v1 already means core/v1: move that away first.
    sed -i -E -e 's#\bv1 "k8s.io/api/core/v1"#corev1 "k8s.io/api/core/v1"#' \
        -e 's/\bv1\.(AddressType|ObjectReference|Protocol|ProtocolTCP)\b/corev1.\1/g' -e 's/v1beta1/v1/g' $internal/v1/*.go
}

register() { # the scheme, the aggregator's priorities, what is enabled
    sed -i -e 's#"k8s.io/kubernetes/pkg/apis/discovery/v1alpha1"#"k8s.io/kubernetes/pkg/apis/discovery/v1"\n\t&#' \
        -e 's#^\tutilruntime.Must(v1alpha1.AddToScheme(scheme))#&\n\tutilruntime.Must(v1.AddToScheme(scheme))#' \
        -e 's#SetVersionPriority(v1beta1.SchemeGroupVersion, #&v1.SchemeGroupVersion, #' $internal/install/install.go
    sed -i 's#{Group: "discovery.k8s.io", Version: "v1beta1"}:#{Group: "discovery.k8s.io", Version: "v1"}: {group: 16200, version: 15},\n\t&#' \
        cmd/kube-apiserver/app/aggregator.go
    sed -i -e 's#^\tdiscoveryv1beta1 "k8s.io/api/discovery/v1beta1"#\tdiscoveryv1 "k8s.io/api/discovery/v1"\n&#' \
        -e 's#^\t\tdiscoveryv1beta1.SchemeGroupVersion,#\t\tdiscoveryv1.SchemeGroupVersion,\n&#' pkg/controlplane/instance.go
}

serve() { # the same storage under the other version
    sed -i -e 's#^\tdiscoveryv1beta1 "k8s.io/api/discovery/v1beta1"#\tdiscoveryv1 "k8s.io/api/discovery/v1"\n&#' $storage
    sed -i '/^\tif apiResourceConfigSource.VersionEnabled(discoveryv1beta1.SchemeGroupVersion) {/i\
\tif apiResourceConfigSource.VersionEnabled(discoveryv1.SchemeGroupVersion) {\
\t\tstorageMap, err := p.v1beta1Storage(apiResourceConfigSource, restOptionsGetter)\
\t\tif err != nil {\
\t\t\treturn genericapiserver.APIGroupInfo{}, false, err\
\t\t}\
\t\tapiGroupInfo.VersionedResourcesStorageMap[discoveryv1.SchemeGroupVersion.Version] = storageMap\
\t}\
' $storage
    grep -q 'VersionEnabled(discoveryv1.SchemeGroupVersion)' $storage
}

copy_types
register
serve
