{{/*
Every public template takes the chart's root context, `.`, and reads the values under
`larder-sidecar`; or (dict "root" . "values" .Values.somewhere), whose values are laid over those.
*/}}
{{- define "larder-sidecar.values" -}}
{{- $root := .root | default . -}}
{{- $values := deepCopy (index $root.Values "larder-sidecar" | default dict) -}}
{{- if hasKey . "root" -}}
{{- $values = mergeOverwrite $values (deepCopy (.values | default dict)) -}}
{{- end -}}
{{- toYaml $values -}}
{{- end -}}

{{/* The Deployment or StatefulSet whose pods these are. */}}
{{- define "larder-sidecar.workload" -}}
{{- $root := .root | default . -}}
{{- $values := include "larder-sidecar.values" . | fromYaml -}}
{{- $chart := $root.Values.nameOverride | default $root.Chart.Name -}}
{{- if $values.workload -}}
{{- $values.workload -}}
{{- else if $root.Values.fullnameOverride -}}
{{- $root.Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else if contains $chart $root.Release.Name -}}
{{- $root.Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" $root.Release.Name $chart | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* The name of the objects that belong to Larder. */}}
{{- define "larder-sidecar.name" -}}
{{- $workload := include "larder-sidecar.workload" . -}}
{{- if contains "larder" $workload -}}
{{- $workload -}}
{{- else -}}
{{- printf "%s-larder" ($workload | trunc 56 | trimSuffix "-") -}}
{{- end -}}
{{- end -}}

{{- define "larder-sidecar.labels" -}}
{{- $root := .root | default . -}}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/name: larder
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: cache
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
{{- end -}}

{{/* The labels by which the pods are found. */}}
{{- define "larder-sidecar.selectorLabels" -}}
{{- $root := .root | default . -}}
{{- $values := include "larder-sidecar.values" . | fromYaml -}}
{{- if $values.selectorLabels -}}
{{- toYaml $values.selectorLabels -}}
{{- else -}}
app.kubernetes.io/name: {{ $root.Values.nameOverride | default $root.Chart.Name }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
{{- end -}}
{{- end -}}

{{/* A duration of the configuration (25s, 1m, 500ms) in whole seconds, rounded up. */}}
{{- define "larder-sidecar.seconds" -}}
{{- if hasSuffix "ms" . -}}
{{- div (add (trimSuffix "ms" . | int) 999) 1000 -}}
{{- else if hasSuffix "s" . -}}
{{- trimSuffix "s" . | int -}}
{{- else if hasSuffix "m" . -}}
{{- mul (trimSuffix "m" . | int) 60 -}}
{{- else if hasSuffix "h" . -}}
{{- mul (trimSuffix "h" . | int) 3600 -}}
{{- else -}}
{{- fail (printf "%s is no duration such as 25s" .) -}}
{{- end -}}
{{- end -}}

{{/*
How long Larder takes new connections after SIGTERM. A native sidecar gets its SIGTERM when the pod
has long left the Service's endpoints; any other Larder gets it at the same time as they hear of it.
*/}}
{{- define "larder-sidecar.drainDelay" -}}
{{- $values := include "larder-sidecar.values" . | fromYaml -}}
{{- $config := $values.config | default dict -}}
{{- $config.drain_delay | default $values.drainDelay | default (ternary "0s" "5s" $values.native) -}}
{{- end -}}

{{/* From SIGTERM to the last answer, at most. */}}
{{- define "larder-sidecar.drainSeconds" -}}
{{- $values := include "larder-sidecar.values" . | fromYaml -}}
{{- $delay := include "larder-sidecar.seconds" (include "larder-sidecar.drainDelay" .) -}}
{{- $timeout := include "larder-sidecar.seconds" (dig "drain_timeout" "25s" ($values.config | default dict) | toString) -}}
{{- add (int $delay) (int $timeout) -}}
{{- end -}}

{{/* `memory` in MiB. */}}
{{- define "larder-sidecar.memoryMiB" -}}
{{- $values := include "larder-sidecar.values" . | fromYaml -}}
{{- $memory := toString $values.memory -}}
{{- $mib := 0 -}}
{{- if hasSuffix "Gi" $memory -}}
{{- $mib = mul (trimSuffix "Gi" $memory | int) 1024 -}}
{{- else if hasSuffix "Mi" $memory -}}
{{- $mib = trimSuffix "Mi" $memory | int -}}
{{- end -}}
{{- if lt (int $mib) 64 -}}
{{- fail (printf "memory: %s is not 64Mi or more" $memory) -}}
{{- end -}}
{{- $mib -}}
{{- end -}}

{{/* What the store may hold: a quarter of the container's limit, as `store.memory: auto` takes it. */}}
{{- define "larder-sidecar.storeMemory" -}}
{{- printf "%dMiB" (max 32 (div (include "larder-sidecar.memoryMiB" . | int) 4)) -}}
{{- end -}}

{{/*
A file of this chart: from the calling chart where it has one of that name (the chart `larder`),
else from this one, which `.Subcharts` reaches with Helm 3.7 and newer.
*/}}
{{- define "larder-sidecar.file" -}}
{{- $text := .root.Files.Get .path -}}
{{- if and (not $text) .root.Subcharts -}}
{{- $text = (index .root.Subcharts "larder-sidecar").Files.Get .path -}}
{{- end -}}
{{- required (printf "%s is not there: the chart needs Helm 3.7 or newer" .path) $text -}}
{{- end -}}
