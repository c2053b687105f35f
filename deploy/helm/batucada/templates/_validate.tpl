{{/* What a schema cannot say: values that only make sense together. */}}
{{- define "batucada.validate" -}}
{{- $auth := .Values.auth -}}
{{- if not $auth.mode -}}
{{- $keys := "to keys, with the name of a Secret of keys, one a line, in auth.existingSecret" -}}
{{- fail (printf "auth.mode is not said: set it %s; or to none, and everyone who reaches the ports may ask" $keys) -}}
{{- else if and (eq $auth.mode "keys") (not $auth.existingSecret) -}}
{{- fail "auth.mode is keys: give auth.existingSecret, the name of a Secret with the keys, one a line" -}}
{{- else if and (eq $auth.mode "none") $auth.existingSecret -}}
{{- fail (printf "auth.mode is none, but auth.existingSecret is %s: set auth.mode to keys" $auth.existingSecret) -}}
{{- end -}}

{{- $life := .Values.lifecycle -}}
{{- $needed := add $life.preStopSeconds $life.shutdownGraceSeconds $life.drainSeconds 5 -}}
{{- $grace := int64 $life.terminationGracePeriodSeconds -}}
{{- if le $grace $needed -}}
{{- $sum := "preStopSeconds + shutdownGraceSeconds + drainSeconds + 5 to send last bytes" -}}
{{- fail (printf "lifecycle.terminationGracePeriodSeconds is %d: it must be more than %d (%s)" $grace $needed $sum) -}}
{{- end -}}

{{- $probes := .Values.probes -}}
{{- range $name := list "startup" "readiness" "liveness" -}}
{{- $probe := get $probes $name -}}
{{- if gt (int64 (default 0 $probe.timeoutSeconds)) (int64 $probe.periodSeconds) -}}
{{- $text := "probes.%s.timeoutSeconds is %d, more than periodSeconds, %d: a look must be over before the next" -}}
{{- fail (printf $text $name (int64 $probe.timeoutSeconds) (int64 $probe.periodSeconds)) -}}
{{- end -}}
{{- end -}}
{{- $patience := mul $probes.liveness.periodSeconds $probes.liveness.failureThreshold -}}
{{- $idle := default "1m15s" (get .Values.server "idle-timeout") -}}
{{- if le (mul 1000 $patience) (int64 (include "batucada.milliseconds" $idle)) -}}
{{- $text := "probes.liveness restarts a pod after %d s (periodSeconds × failureThreshold): it must be more than %s, %s" -}}
{{- fail (printf $text $patience "server.idle-timeout" $idle) -}}
{{- end -}}

{{- $model := .Values.model -}}
{{- if and (eq $model.source "pvc") (not $model.pvc.claimName) -}}
{{- fail "model.source is pvc: give model.pvc.claimName" -}}
{{- else if and (eq $model.source "imageVolume") (not $model.imageVolume.reference) -}}
{{- fail "model.source is imageVolume: give model.imageVolume.reference" -}}
{{- else if eq $model.source "download" -}}
{{- range list "repository" "revision" -}}
{{- if not (index $model.download .) -}}
{{- fail (printf "model.source is download: give model.download.%s" .) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- if and (eq .Values.store.kind "volume") (ne .Values.workload "StatefulSet") -}}
{{- fail "store.kind is volume: set workload to StatefulSet, whose pods have one each; or store.kind to emptyDir" -}}
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

{{- $locked := include "batucada.metricsLocked" . -}}
{{- if and $locked (ne .Values.metrics.monitor "none") (not .Values.metrics.authorization) -}}
{{- fail "server.metrics-access is key: give metrics.authorization, or Prometheus gets 401" -}}
{{- end -}}

{{- if and .Values.inferencePool.enabled (not .Values.inferencePool.endpointPicker.name) -}}
{{- fail "inferencePool.enabled: give inferencePool.endpointPicker.name, the Service of an endpoint picker" -}}
{{- end -}}

{{- if and .Values.grpcRoute.enabled (has (toString (get .Values.server "grpc")) (list "off" "false")) -}}
{{- fail "grpcRoute.enabled, but server.grpc is off: there is nothing that it could lead to" -}}
{{- end -}}

{{- if and .Values.kvEvents.enabled (not (has (toString (get .Values.server "prefix-cache")) (list "on" "true"))) -}}
{{- fail "kvEvents.enabled, but nothing is kept that could be told: set server.prefix-cache to on" -}}
{{- end -}}

{{- $policy := .Values.networkPolicy -}}
{{- if and $policy.enabled .Values.kvEvents.enabled (not .Values.kvEvents.subscribers) -}}
{{- fail "kvEvents.enabled: name the router's pods in kvEvents.subscribers, or nobody may read" -}}
{{- end -}}
{{- $open := ne (toJson $policy.clients) (toJson (list (dict "podSelector" dict))) -}}
{{- if and $policy.enabled (not $open) -}}
{{- range $name := list "ingress" "httpRoute" "grpcRoute" "inferencePool" -}}
{{- if (get $.Values $name).enabled -}}
{{- $text := "%s.enabled: name who comes through it in networkPolicy.clients, which lets in this namespace's pods alone" -}}
{{- fail (printf $text $name) -}}
{{- end -}}
{{- end -}}
{{- if ne .Values.service.type "ClusterIP" -}}
{{- $text := "service.type is %s: name who may come in networkPolicy.clients, which lets in this namespace's pods alone" -}}
{{- fail (printf $text .Values.service.type) -}}
{{- end -}}
{{- if and (ne .Values.metrics.monitor "none") (not $policy.scrapers) -}}
{{- fail (printf "metrics.monitor is %s: name Prometheus' pods in networkPolicy.scrapers" .Values.metrics.monitor) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* A duration of the server's flags, "1m30s", in milliseconds. */}}
{{- define "batucada.milliseconds" -}}
{{- $sum := 0.0 -}}
{{- range regexFindAll "[0-9.]+(ms|s|m|h)" . -1 -}}
{{- $unit := regexFind "[a-z]+" . -}}
{{- $sum = addf $sum (mulf (float64 (trimSuffix $unit .)) (get (dict "ms" 1 "s" 1000 "m" 60000 "h" 3600000) $unit)) -}}
{{- end -}}
{{- int64 $sum -}}
{{- end }}
