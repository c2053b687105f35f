{{/* Flags of `batucada serve`, one argument each: the chart's own, which win, then .Values.server, then defaults. */}}
{{- define "batucada.flags" -}}
{{- $life := .Values.lifecycle -}}
{{- $own := dict
  "model" (include "batucada.model" .)
  "backend" .Values.device
  "port" 8000
  "grpc-port" 9000
  "health-port" 8081
  "shutdown-grace" (printf "%ds" (int $life.shutdownGraceSeconds))
  "drain-timeout" (printf "%ds" (int $life.drainSeconds)) -}}
{{- if eq .Values.auth.mode "keys" -}}
{{- $_ := set $own "api-key-file" (printf "/etc/batucada/auth/%s" .Values.auth.key) -}}
{{- end -}}
{{- if .Values.tls.existingSecret -}}
{{- $_ := set $own "tls-cert" "/etc/batucada/tls/tls.crt" -}}
{{- $_ := set $own "tls-key" "/etc/batucada/tls/tls.key" -}}
{{- end -}}
{{- if ne .Values.store.kind "memory" -}}
{{- $_ := set $own "store" "/var/lib/batucada" -}}
{{- end -}}
{{- $defaults := dict "host" "0.0.0.0" "grpc-reflection" "off" -}}
{{- if eq .Values.model.source "download" -}}
{{- $_ := set $defaults "served-model-name" .Values.model.name -}}
{{- end -}}
{{- if include "batucada.metricsLocked" . -}}
{{- $_ := set $defaults "metrics-access" "key" -}}
{{- end -}}
{{- if .Values.inferencePool.enabled -}}
{{- $_ := set $defaults "metrics-aliases" "vllm" -}}
{{- end -}}
{{- if .Values.kvEvents.enabled -}}
{{- $_ := set $defaults "kv-events-endpoint" "tcp://*:5557" -}}
{{- $_ := set $defaults "kv-events-replay-endpoint" "tcp://*:5558" -}}
{{- $name := default .Values.model.name (get .Values.server "served-model-name") -}}
{{- if kindIs "slice" $name -}}
{{- $name = first $name -}}
{{- end -}}
{{- /* What llm-d tells pods and models apart by; Kubernetes puts the address in. */}}
{{- $_ := set $defaults "kv-events-topic" (printf "kv@$(POD_IP):8000@%s" $name) -}}
{{- end -}}
{{- range $flag, $value := merge $own .Values.server $defaults }}
{{- range kindIs "slice" $value | ternary $value (list $value) }}
{{- /* To YAML, on and off are booleans. */}}
{{- $text := kindIs "bool" . | ternary (eq (toString .) "true" | ternary "on" "off") (kindIs "string" . | ternary . (toJson .)) }}
- {{ printf "--%s=%s" $flag $text | quote }}
{{- end }}
{{- end }}
{{- end }}

{{/* A look at one of the server's health endpoints, on the port that is for this alone. */}}
{{- define "batucada.probe" -}}
httpGet:
  path: {{ index . 0 }}
  port: health
  scheme: HTTP
{{ toYaml (merge (dict) (index . 1) (dict "timeoutSeconds" (min 2 (index . 1).periodSeconds))) }}
{{- end }}

{{/* The volumes of the pod; a StatefulSet brings those of a downloaded model and of the store itself. */}}
{{- define "batucada.volumes" -}}
- name: tmp
  emptyDir:
    sizeLimit: {{ .Values.tmp.sizeLimit }}
{{- if eq .Values.store.kind "emptyDir" }}
- name: store
  emptyDir:
    sizeLimit: {{ .Values.store.size }}
{{- end }}
{{- with .Values.model }}
{{- if eq .source "pvc" }}
- name: model
  persistentVolumeClaim:
    claimName: {{ .pvc.claimName }}
    readOnly: true
{{- else if eq .source "imageVolume" }}
- name: model
  image:
    reference: {{ .imageVolume.reference }}
    pullPolicy: {{ .imageVolume.pullPolicy }}
{{- else if and (eq .source "download") (eq $.Values.workload "Deployment") }}
- name: model
  emptyDir:
    sizeLimit: {{ .download.sizeLimit }}
{{- end }}
{{- end }}
{{- if eq .Values.auth.mode "keys" }}
- name: auth
  secret:
    secretName: {{ .Values.auth.existingSecret }}
    defaultMode: 0440
{{- end }}
{{- with .Values.tls.existingSecret }}
- name: tls
  secret:
    secretName: {{ . }}
    defaultMode: 0440
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* What `batucada` calls the model: its folder, or its name on the Hub. */}}
{{- define "batucada.model" -}}
{{- with .Values.model -}}
{{- if eq .source "download" -}}
{{ .download.repository }}@{{ .download.revision }}
{{- else -}}
/models/{{ .name }}
{{- end -}}
{{- end -}}
{{- end }}

{{/* Where the Hub's files are kept, and that nothing else is asked. */}}
{{- define "batucada.hubEnv" -}}
- name: HF_HUB_CACHE
  value: /hub
- name: HF_HUB_OFFLINE
  value: "1"
{{- end }}

{{- define "batucada.modelMount" -}}
- name: model
  mountPath: {{ eq .Values.model.source "download" | ternary "/hub" (printf "/models/%s" .Values.model.name) }}
  readOnly: true
  {{- with get (default dict (get .Values.model .Values.model.source)) "subPath" }}
  subPath: {{ . }}
  {{- end }}
{{- end }}

{{- define "batucada.volumeMounts" -}}
- name: tmp
  mountPath: /tmp
{{- if ne .Values.store.kind "memory" }}
- name: store
  mountPath: /var/lib/batucada
{{- end }}
{{- if ne .Values.model.source "image" }}
{{ include "batucada.modelMount" . }}
{{- end }}
{{- if eq .Values.auth.mode "keys" }}
- name: auth
  mountPath: /etc/batucada/auth
  readOnly: true
{{- end }}
{{- if .Values.tls.existingSecret }}
- name: tls
  mountPath: /etc/batucada/tls
  readOnly: true
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Fetches the model before the server starts, as the server itself would; what is there already is not fetched again. */}}
{{- define "batucada.fetchModel" -}}
{{- $download := .Values.model.download -}}
- name: fetch-model
  image: {{ include "batucada.image" . }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  args: [download, {{ include "batucada.model" . | quote }}]
  env:
    - name: HF_HUB_CACHE
      value: /hub
    - name: HF_ENDPOINT
      value: {{ $download.endpoint | quote }}
    {{- with $download.tokenSecret }}
    - name: HF_TOKEN
      valueFrom:
        secretKeyRef:
          name: {{ . }}
          key: token
    {{- end }}
  securityContext:
    {{- toYaml .Values.securityContext | nindent 4 }}
  resources:
    requests:
      cpu: 100m
      memory: 64Mi
    limits:
      memory: 256Mi
  volumeMounts:
    - name: tmp
      mountPath: /tmp
    - name: model
      mountPath: /hub
{{- end }}

{{/* Compares the model's files with their checksums; the server's image has all that this takes. */}}
{{- define "batucada.checkModel" -}}
{{- $download := eq .Values.model.source "download" -}}
- name: check-model
  image: {{ include "batucada.image" . }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  command: [/bin/sh, -c]
  args:
    - cd "{{ $download | ternary "$(batucada download \"$0\")" "$0" }}" && printf '%s\n' "$@" | sha256sum --check --strict
    - {{ include "batucada.model" . }}
    {{- range $file, $sum := (get .Values.model .Values.model.source).files }}
    - {{ printf "%s  %s" $sum $file | quote }}
    {{- end }}
  {{- if $download }}
  env:
    {{- include "batucada.hubEnv" . | nindent 4 }}
  {{- end }}
  securityContext:
    {{- toYaml .Values.securityContext | nindent 4 }}
  resources:
    requests:
      cpu: 100m
      memory: 16Mi
    limits:
      memory: 64Mi
  volumeMounts:
    {{- include "batucada.modelMount" . | nindent 4 }}
{{- end }}

{{- define "batucada.server" -}}
- name: server
  image: {{ include "batucada.image" . }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  args:
    - serve
    {{- include "batucada.flags" . | trim | nindent 4 }}
    {{- with .Values.extraArgs }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- $hub := eq .Values.model.source "download" }}
  {{- if or $hub .Values.kvEvents.enabled .Values.extraEnv }}
  env:
    {{- if .Values.kvEvents.enabled }}
    - name: POD_IP
      valueFrom:
        fieldRef:
          fieldPath: status.podIP
    {{- end }}
    {{- if $hub }}
    {{- include "batucada.hubEnv" . | nindent 4 }}
    {{- end }}
    {{- with .Values.extraEnv }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- end }}
  {{- with .Values.extraEnvFrom }}
  envFrom:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  ports:
    - name: http
      containerPort: 8000
    - name: grpc
      containerPort: 9000
    - name: health
      containerPort: 8081
    {{- if .Values.kvEvents.enabled }}
    - name: kv-events
      containerPort: 5557
    - name: kv-replay
      containerPort: 5558
    {{- end }}
  startupProbe:
    {{- include "batucada.probe" (list "/health/live" .Values.probes.startup) | nindent 4 }}
  readinessProbe:
    {{- include "batucada.probe" (list "/health/ready" .Values.probes.readiness) | nindent 4 }}
  livenessProbe:
    {{- include "batucada.probe" (list "/health/live" .Values.probes.liveness) | nindent 4 }}
  lifecycle:
    preStop:
      sleep:
        seconds: {{ .Values.lifecycle.preStopSeconds }}
  {{- $resources := deepCopy .Values.resources }}
  {{- if eq .Values.device "cuda" }}
  {{- $resources = merge $resources (dict "limits" (dict .Values.gpu.resource 1)) }}
  {{- end }}
  resources:
    {{- toYaml $resources | nindent 4 }}
  securityContext:
    {{- toYaml .Values.securityContext | nindent 4 }}
  volumeMounts:
    {{- include "batucada.volumeMounts" . | nindent 4 }}
{{- end }}

{{/* Over nodes, then zones, as well as can be. */}}
{{- define "batucada.topologySpread" -}}
{{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
- topologyKey: {{ . }}
  maxSkew: 1
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels:
      {{- include "batucada.selectorLabels" $ | nindent 6 }}
  {{- if eq $.Values.workload "Deployment" }}
  matchLabelKeys: [pod-template-hash]
  {{- end }}
{{- end }}
{{- end }}

{{/* The pod template that Deployment and StatefulSet share. */}}
{{- define "batucada.podTemplate" -}}
metadata:
  {{- $labels := include "batucada.selectorLabels" . | fromYaml }}
  {{- if .Values.inferencePool.enabled }}
  {{- /* Whose metric names --metrics-aliases adds; the second is for older endpoint pickers. */}}
  {{- $_ := set $labels "llm-d.ai/engine-type" "vllm" }}
  {{- $_ := set $labels "inference.networking.k8s.io/engine-type" "vllm" }}
  {{- end }}
  labels:
    {{- toYaml (merge $labels .Values.podLabels .Values.commonLabels) | nindent 4 }}
  annotations:
    kubectl.kubernetes.io/default-container: server
    {{- with .Values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "batucada.serviceAccountName" . }}
  automountServiceAccountToken: false
  enableServiceLinks: false # else a Service called batucada sets BATUCADA_PORT, which is a setting of the server
  terminationGracePeriodSeconds: {{ .Values.lifecycle.terminationGracePeriodSeconds }}
  securityContext:
    {{- toYaml .Values.podSecurityContext | nindent 4 }}
  {{- with .Values.image.pullSecrets }}
  imagePullSecrets:
    {{- range . }}
    - name: {{ . }}
    {{- end }}
  {{- end }}
  {{- with .Values.runtimeClassName }}
  runtimeClassName: {{ . }}
  {{- end }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- $download := eq .Values.model.source "download" }}
  {{- $check := get (default dict (get .Values.model .Values.model.source)) "files" }}
  {{- if or $download $check .Values.extraInitContainers }}
  initContainers:
    {{- if $download }}
    {{- include "batucada.fetchModel" . | nindent 4 }}
    {{- end }}
    {{- if $check }}
    {{- include "batucada.checkModel" . | nindent 4 }}
    {{- end }}
    {{- with .Values.extraInitContainers }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- end }}
  containers:
    {{- include "batucada.server" . | nindent 4 }}
    {{- with .Values.extraContainers }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  volumes:
    {{- include "batucada.volumes" . | nindent 4 }}
  {{- with .Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if or .Values.tolerations (eq .Values.device "cuda") }}
  tolerations:
    {{- if eq .Values.device "cuda" }}
    - key: {{ .Values.gpu.resource }}
      operator: Exists
      effect: NoSchedule
    {{- end }}
    {{- with .Values.tolerations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- end }}
  topologySpreadConstraints:
    {{- with .Values.topologySpreadConstraints }}
    {{- toYaml . | nindent 4 }}
    {{- else }}
    {{- include "batucada.topologySpread" . | trim | nindent 4 }}
    {{- end }}
{{- end }}
