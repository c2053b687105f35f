{{/* The name that every object begins with: the release's, and the chart's unless that is in it already. */}}
{{- define "batucada.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- $both := contains $name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $name) -}}
{{- default $both .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- end }}

{{/* What tells the server's pods from all others; a Deployment's never changes. */}}
{{- define "batucada.selectorLabels" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: server
{{- end }}

{{/* The labels of an object; ours win over the operator's. */}}
{{- define "batucada.labels" -}}
{{- $ours := include "batucada.selectorLabels" . | fromYaml -}}
{{- $ours = merge $ours (dict
  "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_")
  "app.kubernetes.io/version" .Chart.AppVersion
  "app.kubernetes.io/managed-by" .Release.Service
  "app.kubernetes.io/part-of" "batucada") -}}
{{- toYaml (merge $ours .Values.commonLabels) -}}
{{- end }}

{{/* metadata without annotations: {{ include "batucada.metadata" (list . "-suffix" labels-besides) }} */}}
{{- define "batucada.metadata" -}}
{{- $root := index . 0 -}}
{{- $labels := include "batucada.labels" $root | fromYaml -}}
{{- if gt (len .) 2 -}}
{{- $labels = merge $labels (index . 2) -}}
{{- end -}}
name: {{ include "batucada.fullname" $root }}{{ index . 1 }}
namespace: {{ $root.Release.Namespace }}
labels:
  {{- toYaml $labels | nindent 2 }}
{{- end }}

{{- define "batucada.serviceAccountName" -}}
{{- $made := .Values.serviceAccount.create | ternary (include "batucada.fullname" .) "default" -}}
{{- default $made .Values.serviceAccount.name -}}
{{- end }}

{{- define "batucada.image" -}}
{{- $image := .Values.image -}}
{{- with $image.registry }}{{ . }}/{{ end }}{{ $image.repository -}}
{{- if $image.digest }}@{{ $image.digest -}}
{{- else }}:{{ default (printf "%s-%s" .Chart.AppVersion .Values.device) $image.tag }}{{ end -}}
{{- end }}

{{- define "batucada.scheme" -}}
{{- empty .Values.tls.existingSecret | ternary "http" "https" -}}
{{- end }}

{{/*
The server's pods in PromQL, whichever monitor scrapes them: a StatefulSet's are numbered; a Deployment's have the hash
of their template and five characters more, with a dash between where the name is short enough. So those of another
release are not among them, though its name may begin with this one's.
*/}}
{{- define "batucada.promSelector" -}}
namespace="{{ .Release.Namespace }}",pod=~"{{ include "batucada.fullname" . | replace "." "[.]" }}-([0-9]+|[a-z0-9]{1,10}-?[a-z0-9]{5})"
{{- end }}

{{/* Not empty if /metrics wants a key: where the operator says so, and where a balancer outside leads to the port. */}}
{{- define "batucada.metricsLocked" -}}
{{- $said := get .Values.server "metrics-access" -}}
{{- if or (eq $said "key") (and (not $said) (ne .Values.service.type "ClusterIP") (eq .Values.auth.mode "keys")) }}yes{{ end -}}
{{- end }}

{{/* A path as a rule has it: {{ include "batucada.pathType" (list path word-for-exact word-for-prefix) }} */}}
{{- define "batucada.pathType" -}}
{{- $path := index . 0 -}}
{{- and (hasSuffix "/" $path) (ne $path "/") | ternary (index . 2) (index . 1) -}}
{{- end }}
