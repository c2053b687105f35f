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
  relabelings:
    - targetLabel: job # this release and no other, whichever monitor it is
      replacement: {{ include "batucada.fullname" . }}
    {{- with .Values.metrics.relabelings }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with .Values.metrics.metricRelabelings }}
  metricRelabelings:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
