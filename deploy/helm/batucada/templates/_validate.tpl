{{/* What a schema cannot say: values that only make sense together. */}}
{{- define "batucada.validate" -}}
{{- $life := .Values.lifecycle -}}
{{- $needed := add $life.preStopSeconds $life.shutdownGraceSeconds $life.drainSeconds 5 -}}
{{- $grace := int64 $life.terminationGracePeriodSeconds -}}
{{- if le $grace $needed -}}
{{- $sum := "preStopSeconds + shutdownGraceSeconds + drainSeconds + 5 to send last bytes" -}}
{{- fail (printf "lifecycle.terminationGracePeriodSeconds is %d: it must be more than %d (%s)" $grace $needed $sum) -}}
{{- end -}}

{{- $model := .Values.model -}}
{{- if and (eq $model.source "pvc") (not $model.pvc.claimName) -}}
{{- fail "model.source is pvc: give model.pvc.claimName" -}}
{{- else if and (eq $model.source "imageVolume") (not $model.imageVolume.reference) -}}
{{- fail "model.source is imageVolume: give model.imageVolume.reference" -}}
{{- else if eq $model.source "download" -}}
{{- range list "endpoint" "repository" "revision" "files" -}}
{{- if not (index $model.download .) -}}
{{- fail (printf "model.source is download: give model.download.%s" .) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- $scaling := .Values.autoscaling -}}
{{- $fewest := int $scaling.minReplicas -}}
{{- $most := int $scaling.maxReplicas -}}
{{- if gt $fewest $most -}}
{{- fail (printf "autoscaling.minReplicas is %d, more than maxReplicas, %d" $fewest $most) -}}
{{- end -}}
{{- if and (eq $scaling.type "keda") (not $scaling.keda.serverAddress) -}}
{{- fail "autoscaling.type is keda: give autoscaling.keda.serverAddress, where Prometheus is" -}}
{{- end -}}

{{- $locked := eq (get .Values.server "metrics-access") "key" -}}
{{- if and $locked (ne .Values.metrics.monitor "none") (not .Values.metrics.authorization) -}}
{{- fail "server.metrics-access is key: give metrics.authorization, or Prometheus gets 401" -}}
{{- end -}}
{{- if and .Values.inferencePool.enabled (not .Values.inferencePool.endpointPicker.name) -}}
{{- fail "inferencePool.enabled: give inferencePool.endpointPicker.name, the Service of an endpoint picker" -}}
{{- end -}}
{{- end }}
