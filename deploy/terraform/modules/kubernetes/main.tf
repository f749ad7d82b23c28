# The operator, the External Secrets Operator with a store of the cloud, and a PcfApi, by their Helm charts.
# Terraform sees no secret: External Secrets copies them from the store of the cloud into the namespace.

locals {
  charts  = "${path.module}/../../../helm"
  secret  = { name = "pcf-api-secrets" }
  ca_name = "stores-ca"

  store = {
    apiVersion = "external-secrets.io/v1"
    kind       = "SecretStore"
    metadata   = { name = "cloud", namespace = var.namespace }
    spec       = { provider = var.secret_store }
  }

  ca = {
    apiVersion = "v1"
    kind       = "ConfigMap"
    metadata   = { name = local.ca_name, namespace = var.namespace }
    data       = var.ca_files
  }

  api = {
    image       = var.api_image
    environment = var.environment
    database    = { secretRef = local.secret, readReplicaSecretRef = local.secret }
    redis       = { secretRef = local.secret, mode = var.redis_mode }
    auth        = { jwtSecretRef = local.secret }
    secrets = {
      provider = "ExternalSecrets"
      store    = { kind = "SecretStore", name = local.store.metadata.name }
      path     = var.secret_name
    }
    components   = { worker = { enabled = true }, auth = { enabled = true } }
    volumes      = [{ name = local.ca_name, configMap = { name = local.ca_name } }]
    volumeMounts = [{ name = local.ca_name, mountPath = "/etc/ssl/stores", readOnly = true }]
    network = {
      ingressFrom = [{ cidr = var.internal_cidr }]
      metricsFrom = [{ cidr = var.monitoring_cidr }]
    }
  }
}

resource "helm_release" "external_secrets" {
  name             = "external-secrets"
  namespace        = "external-secrets"
  create_namespace = true
  repository       = "https://charts.external-secrets.io"
  chart            = "external-secrets"
  version          = var.external_secrets_version
  atomic           = true
  values           = [yamlencode({ installCRDs = true }), yamlencode(var.external_secrets_values)]
}

resource "helm_release" "operator" {
  name             = "pcf-operator"
  namespace        = "pcf-system"
  create_namespace = true
  chart            = "${local.charts}/pcf-operator"
  atomic           = true
  values           = [yamlencode({ image = var.operator_image }), yamlencode(var.operator_values)]
}

resource "helm_release" "objects" {
  name             = "pcf-objects"
  namespace        = var.namespace
  create_namespace = true
  chart            = "${path.module}/objects"
  values           = [yamlencode({ objects = concat([local.store, local.ca], var.objects) })]
  depends_on       = [helm_release.external_secrets]
}

# Ready is reported by the conditions of the PcfApi: kubectl wait pcf/pcf-api --for=condition=Ready
resource "helm_release" "api" {
  name       = "pcf-api"
  namespace  = var.namespace
  chart      = "${local.charts}/pcf-api"
  values     = [yamlencode(local.api), yamlencode(var.api_values)]
  depends_on = [helm_release.operator, helm_release.objects]
}
