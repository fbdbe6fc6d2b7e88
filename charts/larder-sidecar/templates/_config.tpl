{{/* Larder's configuration: what the values imply, and `config` over it. */}}
{{- define "larder-sidecar.config" -}}
{{- $root := .root | default . -}}
{{- $values := include "larder-sidecar.values" . | fromYaml -}}
{{- $config := $values.config | default dict -}}
{{- $redis := $values.redis -}}
{{- $made := dict -}}

{{- /* A port that nobody probes or sends to would be a pod that never gets ready. */ -}}
{{- range $key, $port := dict "listen" $values.port "admin" $values.adminPort -}}
{{- $_ := set $made $key (printf "0.0.0.0:%d" (int $port)) -}}
{{- $written := index $config $key | default "" -}}
{{- if and $written (kindIs "string" $written) (not (hasSuffix (printf ":%d" (int $port)) $written)) -}}
{{- fail (printf "config.%s is %s, but the pod's port is %d: they must agree" $key $written (int $port)) -}}
{{- end -}}
{{- end -}}

{{- if kindIs "map" $config.origin -}}
{{- if $values.origin -}}
{{- $_ := set $made "origin" (dict "url" $values.origin) -}}
{{- end -}}
{{- else if not $config.origin -}}
{{- $_ := set $made "origin" (required "origin is needed: whom Larder forwards to, such as http://127.0.0.1:3000" $values.origin) -}}
{{- end -}}

{{- $store := dict "memory" (include "larder-sidecar.storeMemory" .) -}}
{{- if and $redis.url $redis.urlSecret.name -}}
{{- fail "redis.url and redis.urlSecret.name: one of them" -}}
{{- end -}}
{{- if or $redis.url $redis.urlSecret.name (dig "store" "redis" "" $config) -}}
{{- $shared := dict "namespace" ($redis.namespace | default (printf "%s/%s" $root.Release.Namespace (include "larder-sidecar.workload" .))) -}}
{{- with $redis.url }}{{ $_ := set $shared "url" . }}{{ end -}}
{{- with $redis.username }}{{ $_ := set $shared "username" . }}{{ end -}}
{{- if $redis.passwordSecret.name }}{{ $_ := set $shared "password_file" "redis-password" }}{{ end -}}
{{- if $redis.signKeySecret.name }}{{ $_ := set $shared "sign_key_file" "redis-sign-key" }}{{ end -}}
{{- $_ := set $store "redis" $shared -}}
{{- else if or $redis.passwordSecret.name $redis.signKeySecret.name $redis.username -}}
{{- fail "redis: a password, a user or a sign key is there, and no redis.url" -}}
{{- end -}}
{{- $_ := set $made "store" $store -}}

{{- $_ := set $made "drain_delay" (include "larder-sidecar.drainDelay" .) -}}
{{- if $values.adminTokenSecret.name -}}
{{- $_ := set $made "admin_token_file" "admin-token" -}}
{{- end -}}
{{- toYaml (mergeOverwrite $made $config) -}}
{{- end -}}

{{- define "larder-sidecar.configMapName" -}}
{{- $values := include "larder-sidecar.values" . | fromYaml -}}
{{- $values.configMap | default (include "larder-sidecar.name" .) -}}
{{- end -}}

{{- define "larder-sidecar.configMap" -}}
{{- $root := .root | default . -}}
{{- $values := include "larder-sidecar.values" . | fromYaml -}}
{{- if and $values.configMap $values.config -}}
{{- fail "config and configMap: one of them" -}}
{{- end -}}
{{- if not $values.configMap -}}
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ include "larder-sidecar.name" . }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "larder-sidecar.labels" . | nindent 4 }}
data:
  larder.yaml: |
    {{- include "larder-sidecar.config" . | nindent 4 }}
{{- end -}}
{{- end -}}

{{/*
The directory /etc/larder. One projected volume, since kubelet swaps it as a whole: the
configuration, certificates and secrets change together, and Larder reloads them without a
restart. A file mounted by subPath would never change.
*/}}
{{- define "larder-sidecar.volumes" -}}
{{- $values := include "larder-sidecar.values" . | fromYaml -}}
- name: larder-config
  projected:
    # 0444: the application's user owns nothing here, and no other container mounts it.
    defaultMode: 292
    sources:
      - configMap:
          name: {{ include "larder-sidecar.configMapName" . }}
      {{- include "larder-sidecar.secretFile" (dict "secret" $values.redis.passwordSecret "path" "redis-password") | nindent 6 }}
      {{- include "larder-sidecar.secretFile" (dict "secret" $values.redis.signKeySecret "path" "redis-sign-key") | nindent 6 }}
      {{- include "larder-sidecar.secretFile" (dict "secret" $values.adminTokenSecret "path" "admin-token") | nindent 6 }}
      {{- with $values.files }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
{{- end -}}

{{- define "larder-sidecar.secretFile" -}}
{{- if .secret.name -}}
- secret:
    name: {{ .secret.name }}
    items:
      - key: {{ .secret.key }}
        path: {{ .path }}
{{- end -}}
{{- end -}}
