{{/* Everything that is no part of the pod, each only where it is enabled. */}}
{{- define "larder-sidecar.manifests" -}}
{{- range $name := list "configMap" "podMonitor" "prometheusRule" "dashboard" "networkPolicy" }}
{{- with include (printf "larder-sidecar.%s" $name) $ }}
---
{{ . }}
{{- end }}
{{- end }}
{{- end -}}

{{/*
Not a ServiceMonitor: a Service has no port for a sidecar's metrics. Prometheus itself looks this
port's name up in the pod, init containers included.
*/}}
{{- define "larder-sidecar.podMonitor" -}}
{{- $root := .root | default . -}}
{{- $values := include "larder-sidecar.values" . | fromYaml -}}
{{- with $values.podMonitor -}}
{{- if .enabled -}}
apiVersion: monitoring.coreos.com/v1
kind: PodMonitor
metadata:
  name: {{ include "larder-sidecar.name" $ }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "larder-sidecar.labels" $ | nindent 4 }}
    {{- with .labels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  selector:
    matchLabels:
      {{- include "larder-sidecar.selectorLabels" $ | nindent 6 }}
  podMetricsEndpoints:
    - port: larder-admin
      path: /metrics
      interval: {{ .interval }}
      scrapeTimeout: {{ .scrapeTimeout }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "larder-sidecar.prometheusRule" -}}
{{- $root := .root | default . -}}
{{- $values := include "larder-sidecar.values" . | fromYaml -}}
{{- $rule := $values.prometheusRule -}}
{{- if $rule.enabled -}}
{{- $alerts := include "larder-sidecar.file" (dict "root" $root "path" "files/alerts.yaml") | fromYaml -}}
{{- if $alerts.Error }}{{ fail (printf "files/alerts.yaml: %s" $alerts.Error) }}{{ end -}}
{{- if $rule.runbookUrl -}}
{{- range $group := $alerts.groups -}}
{{- range $each := $group.rules -}}
{{- if $each.alert -}}
{{- $annotations := $each.annotations | default dict -}}
{{- $_ := set $annotations "runbook_url" (printf "%s#%s" $rule.runbookUrl (lower $each.alert)) -}}
{{- $_ := set $each "annotations" $annotations -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: {{ include "larder-sidecar.name" . }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "larder-sidecar.labels" . | nindent 4 }}
    {{- with $rule.labels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  groups:
    {{- toYaml $alerts.groups | nindent 4 }}
{{- end -}}
{{- end -}}

{{- define "larder-sidecar.dashboard" -}}
{{- $root := .root | default . -}}
{{- $values := include "larder-sidecar.values" . | fromYaml -}}
{{- $dashboard := $values.dashboard -}}
{{- if $dashboard.enabled -}}
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ include "larder-sidecar.name" . | trunc 53 | trimSuffix "-" }}-dashboard
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "larder-sidecar.labels" . | nindent 4 }}
    {{- toYaml $dashboard.labels | nindent 4 }}
  {{- with $dashboard.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
data:
  larder.json: |
    {{- include "larder-sidecar.file" (dict "root" $root "path" "files/dashboard.json") | nindent 4 }}
{{- end -}}
{{- end -}}

{{- define "larder-sidecar.networkPolicy" -}}
{{- $root := .root | default . -}}
{{- $values := include "larder-sidecar.values" . | fromYaml -}}
{{- with $values.networkPolicy -}}
{{- if .enabled -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ include "larder-sidecar.name" $ }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "larder-sidecar.labels" $ | nindent 4 }}
spec:
  podSelector:
    matchLabels:
      {{- include "larder-sidecar.selectorLabels" $ | nindent 6 }}
  policyTypes: [Ingress]
  ingress:
    - ports:
        - port: {{ int $values.port }}
          protocol: TCP
      {{- with .from }}
      from:
        {{- toYaml . | nindent 8 }}
      {{- end }}
    {{- with .metricsFrom }}
    - ports:
        - port: {{ int $values.adminPort }}
          protocol: TCP
      from:
        {{- toYaml . | nindent 8 }}
    {{- end }}
    {{- with .extraIngress }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end -}}
{{- end -}}
{{- end -}}
