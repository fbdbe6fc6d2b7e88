{{/* Settings of the pod itself: under `spec` of the pod template. */}}
{{- define "larder-sidecar.podSettings" -}}
enableServiceLinks: false
terminationGracePeriodSeconds: {{ include "larder-sidecar.gracePeriodSeconds" . }}
{{- end -}}

{{/*
Longer than everything that must end before the pod may be killed. A native sidecar ends after
the application, a plain container beside it. 5 s more: for the shared log's last events, and for
kubelet.
*/}}
{{- define "larder-sidecar.gracePeriodSeconds" -}}
{{- $values := include "larder-sidecar.values" . | fromYaml -}}
{{- $drain := include "larder-sidecar.drainSeconds" . | int -}}
{{- $app := int $values.appShutdownSeconds -}}
{{- if $values.native -}}
{{- add $app $drain 5 -}}
{{- else -}}
{{- add (max $app $drain) 5 -}}
{{- end -}}
{{- end -}}

{{/* Annotations of the pod template; nothing unless a changed configuration is to replace pods. */}}
{{- define "larder-sidecar.podAnnotations" -}}
{{- $values := include "larder-sidecar.values" . | fromYaml -}}
{{- if and $values.restartOnConfigChange (not $values.configMap) -}}
checksum/larder-config: {{ include "larder-sidecar.config" . | sha256sum }}
{{- end -}}
{{- end -}}

{{/* An entry of `initContainers`, where Larder is a native sidecar; else nothing. */}}
{{- define "larder-sidecar.initContainers" -}}
{{- $values := include "larder-sidecar.values" . | fromYaml -}}
{{- if $values.native -}}
{{- include "larder-sidecar.container" . -}}
{{- end -}}
{{- end -}}

{{/* An entry of `containers`, where Larder is none; else nothing. */}}
{{- define "larder-sidecar.containers" -}}
{{- $values := include "larder-sidecar.values" . | fromYaml -}}
{{- if not $values.native -}}
{{- include "larder-sidecar.container" . -}}
{{- end -}}
{{- end -}}

{{- define "larder-sidecar.image" -}}
{{- with .image -}}
{{- if .digest -}}
{{- printf "%s@%s" .repository .digest -}}
{{- else -}}
{{- printf "%s:%s" .repository .tag -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "larder-sidecar.container" -}}
{{- $values := include "larder-sidecar.values" . | fromYaml -}}
{{- $memory := printf "%dMi" (include "larder-sidecar.memoryMiB" . | int) -}}
- name: {{ $values.containerName }}
  image: {{ include "larder-sidecar.image" $values | quote }}
  imagePullPolicy: {{ $values.image.pullPolicy }}
  args: [serve, --config, /etc/larder/larder.yaml]
  {{- if $values.native }}
  restartPolicy: Always
  {{- end }}
  {{- if or $values.env $values.redis.urlSecret.name }}
  env:
    {{- if $values.redis.urlSecret.name }}
    - name: LARDER_REDIS_URL
      valueFrom:
        secretKeyRef:
          name: {{ $values.redis.urlSecret.name }}
          key: {{ $values.redis.urlSecret.key }}
    {{- end }}
    {{- with $values.env }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- end }}
  {{- with $values.envFrom }}
  envFrom:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  ports:
    - name: larder-http
      containerPort: {{ int $values.port }}
      protocol: TCP
    - name: larder-admin
      containerPort: {{ int $values.adminPort }}
      protocol: TCP
  {{- /* Ports are numbers: names of a native sidecar's ports were not looked up before 1.33. */}}
  {{- $probes := $values.probes }}
  startupProbe:
    {{- include "larder-sidecar.probe" (dict "path" "/livez" "port" $values.adminPort "times" $probes.startup) | nindent 4 }}
  livenessProbe:
    {{- include "larder-sidecar.probe" (dict "path" "/livez" "port" $values.adminPort "times" $probes.liveness) | nindent 4 }}
  readinessProbe:
    {{- include "larder-sidecar.probe" (dict "path" "/readyz" "port" $values.adminPort "times" $probes.readiness) | nindent 4 }}
  resources:
    {{- $resources := deepCopy ($values.resources | default dict) }}
    requests:
      {{- mergeOverwrite (dict "memory" $memory) ($resources.requests | default dict) | toYaml | nindent 6 }}
    limits:
      {{- mergeOverwrite (dict "memory" $memory) ($resources.limits | default dict) | toYaml | nindent 6 }}
  securityContext:
    {{- include "larder-sidecar.securityContext" $values | nindent 4 }}
  terminationMessagePolicy: FallbackToLogsOnError
  volumeMounts:
    - name: larder-config
      mountPath: /etc/larder
      readOnly: true
{{- end -}}

{{- define "larder-sidecar.probe" -}}
httpGet:
  path: {{ .path }}
  port: {{ int .port }}
{{ toYaml .times }}
{{- end -}}

{{- define "larder-sidecar.securityContext" -}}
{{- $restricted := dict
  "runAsNonRoot" true
  "runAsUser" 65532
  "runAsGroup" 65532
  "readOnlyRootFilesystem" true
  "allowPrivilegeEscalation" false
  "capabilities" (dict "drop" (list "ALL"))
  "seccompProfile" (dict "type" "RuntimeDefault") -}}
{{- toYaml (mergeOverwrite $restricted (deepCopy (.securityContext | default dict))) -}}
{{- end -}}
