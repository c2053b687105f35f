{{/* What a ServiceMonitor's endpoint and a PodMonitor's have in common. */}}
{{- define "batucada.scrape" -}}
- port: http
  path: /metrics
  scheme: {{ include "batucada.scheme" . }}
  interval: {{ .Values.metrics.interval }}
  scrapeTimeout: {{ .Values.metrics.scrapeTimeout }}
  {{- if .Values.tls.existingSecret }}
  tlsConfig:
    insecureSkipVerify: true # a pod's address stands in no certificate
  {{- end }}
  {{- with .Values.metrics.authorization }}
  authorization:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.metrics.relabelings }}
  relabelings:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.metrics.metricRelabelings }}
  metricRelabelings:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}

{{/* metadata with the labels by which Prometheus or Grafana finds an object. */}}
{{- define "batucada.foundMetadata" -}}
{{ include "batucada.metadata" (list (index . 0) (index . 1)) }}
{{- with index . 2 }}
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
