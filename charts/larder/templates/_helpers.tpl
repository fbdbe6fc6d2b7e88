{{- define "larder.fullname" -}}
{{- $name := .Values.nameOverride | default .Chart.Name -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* What this chart's values say to the templates of larder-sidecar. */}}
{{- define "larder.values" -}}
{{- $values := omit (deepCopy .Values) "larder-sidecar" "valkey" "global" -}}
{{- $_ := set $values "native" false -}}
{{- $_ := set $values "workload" (include "larder.fullname" .) -}}
{{- if .Values.valkey.enabled -}}
{{- if or .Values.redis.url .Values.redis.urlSecret.name -}}
{{- fail "valkey.enabled and redis.url: one of them" -}}
{{- end -}}
{{- $url := printf "redis://%s:%d/0" (include "valkey.fullname" .Subcharts.valkey) (dig "service" "port" 6379 .Values.valkey | int) -}}
{{- $_ := set $values "redis" (mergeOverwrite $values.redis (dict "url" $url)) -}}
{{- end -}}
{{- toYaml $values -}}
{{- end -}}

{{/* Nothing ends before Larder: its own time, the last events of the log, and some for kubelet. */}}
{{- define "larder.gracePeriodSeconds" -}}
{{- add (include "larder-sidecar.drainSeconds" . | int) 10 -}}
{{- end -}}
