{{- define "pcf-operator.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "pcf-operator.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains (include "pcf-operator.name" .) .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "pcf-operator.name" .) | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "pcf-operator.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "pcf-operator.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- required "serviceAccount.name: say which account to use, as serviceAccount.create is off" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "pcf-operator.image" -}}
{{- with .Values.image }}
{{- if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end }}
{{- end }}

{{/* What a selector may hold: it can't be changed later. */}}
{{- define "pcf-operator.selector" -}}
app.kubernetes.io/name: {{ include "pcf-operator.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "pcf-operator.labels" -}}
{{ include "pcf-operator.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "pcf-operator.metadata" -}}
name: {{ include "pcf-operator.fullname" . }}
namespace: {{ .Release.Namespace }}
labels:
  {{- include "pcf-operator.labels" . | nindent 2 }}
{{- end }}

{{- define "pcf-operator.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
seccompProfile: { type: RuntimeDefault }
{{- end }}

{{- define "pcf-operator.securityContext" -}}
allowPrivilegeEscalation: false
privileged: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end }}

{{- define "pcf-operator.approvalKeySecret" -}}
{{- .Values.approvals.keySecret | default (printf "%s-approval-keys" (include "pcf-operator.fullname" .)) }}
{{- end }}

{{/* Variables of the operator's settings. */}}
{{- define "pcf-operator.settings" -}}
- { name: PCF_LOG_LEVEL, value: {{ .Values.logLevel | quote }} }
- { name: PCF_SHARDS, value: {{ .Values.shards | quote }} }
- { name: PCF_CONCURRENCY, value: {{ .Values.concurrency | quote }} }
- { name: PCF_RESYNC, value: {{ .Values.resync | quote }} }
- { name: PCF_HOST, value: {{ .Values.host | quote }} }
- { name: PCF_PORT, value: {{ .Values.port | quote }} }
{{- with .Values.dashboardPort }}
- { name: PCF_DASHBOARD_PORT, value: {{ . | quote }} }
{{- end }}
{{- with .Values.approvals }}
{{- if .url }}
- { name: PCF_APPROVAL_URL, value: {{ .url | quote }} }
- { name: PCF_APPROVAL_PORT, value: {{ .port | quote }} }
- { name: PCF_APPROVAL_KEY_SECRET, value: {{ include "pcf-operator.approvalKeySecret" $ | quote }} }
{{- if and .userHeader (not $.Values.networkPolicy.enabled) }}
{{- fail "approvals.userHeader: it needs networkPolicy.enabled, because any client that reaches the page without the authenticating proxy could invent it" }}
{{- end }}
{{- if and .userHeader (not .from) }}
{{- fail "approvals.from: name the authenticating proxy, because any other client could invent approvals.userHeader" }}
{{- end }}
{{- with .userHeader }}
- { name: PCF_APPROVAL_USER_HEADER, value: {{ . | quote }} }
{{- end }}
{{- end }}
{{- end }}
{{- with .Values.tracing }}
{{- if .endpoint }}
- { name: OTEL_EXPORTER_OTLP_ENDPOINT, value: {{ .endpoint | quote }} }
- { name: OTEL_TRACES_SAMPLER_ARG, value: {{ .sampleRatio | quote }} }
{{- end }}
{{- end }}
{{- with .Values.kubeApi }}
{{- if .qps }}
- { name: PCF_KUBE_API_QPS, value: {{ .qps | quote }} }
{{- end }}
{{- if .burst }}
{{- if lt (int .burst) (int .qps) }}
{{- fail "kubeApi.burst: it must not be below kubeApi.qps; 0 is twice that" }}
{{- end }}
- { name: PCF_KUBE_API_BURST, value: {{ .burst | quote }} }
{{- end }}
{{- end }}
{{- with .Values.leaderElection }}
{{- if .enabled }}
- { name: PCF_LEASE_DURATION, value: {{ .leaseDuration | quote }} }
- { name: PCF_RENEW_DEADLINE, value: {{ .renewDeadline | quote }} }
- { name: PCF_RETRY_PERIOD, value: {{ .retryPeriod | quote }} }
{{- else }}
{{- if gt (int $.Values.replicas) 1 }}
{{- fail "leaderElection.enabled: without it there must be one replica, or two would write at the same time: set replicas=1" }}
{{- end }}
{{- if gt (int $.Values.shards) 1 }}
{{- fail "shards: several shards need leaderElection.enabled" }}
{{- end }}
- { name: PCF_NO_LEADER_ELECTION, value: "true" }
{{- end }}
{{- end }}
{{- end }}
