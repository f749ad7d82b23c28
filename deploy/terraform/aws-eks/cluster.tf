# EKS in Auto Mode: AWS runs the nodes, the load balancer controller and the Pod Identity agent.

locals {
  # The id, not the name: the id is unknown until the cluster exists, so the data source below is not read before.
  cluster_name = var.existing_cluster == null ? aws_eks_cluster.this[0].id : var.existing_cluster.name

  roles = {
    cluster = {
      principal = "eks.amazonaws.com"
      actions   = ["sts:AssumeRole", "sts:TagSession"]
      policies = [
        "AmazonEKSClusterPolicy", "AmazonEKSComputePolicy", "AmazonEKSBlockStoragePolicy",
        "AmazonEKSLoadBalancingPolicy", "AmazonEKSNetworkingPolicy",
      ]
    }
    node = {
      principal = "ec2.amazonaws.com"
      actions   = ["sts:AssumeRole"]
      policies  = ["AmazonEKSWorkerNodeMinimalPolicy", "AmazonEC2ContainerRegistryPullOnly"]
    }
  }

  attachments = merge([
    for role, settings in local.roles : {
      for policy in settings.policies : "${role}/${policy}" => { role = role, policy = policy }
    }
  ]...)

  objects = [
    # Auto Mode enforces NetworkPolicies only with this setting.
    {
      apiVersion = "v1"
      kind       = "ConfigMap"
      metadata   = { name = "amazon-vpc-cni", namespace = "kube-system" }
      data       = { "enable-network-policy-controller" = "true" }
    },
    {
      apiVersion = "eks.amazonaws.com/v1"
      kind       = "IngressClassParams"
      metadata   = { name = "alb" }
      spec       = { scheme = "internet-facing" }
    },
    {
      apiVersion = "networking.k8s.io/v1"
      kind       = "IngressClass"
      metadata   = { name = "alb" }
      spec = {
        controller = "eks.amazonaws.com/alb"
        parameters = { apiGroup = "eks.amazonaws.com", kind = "IngressClassParams", name = "alb" }
      }
    },
  ]
}

resource "aws_iam_role" "this" {
  for_each    = var.existing_cluster == null ? local.roles : {}
  name_prefix = "${var.name}-${each.key}-"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = each.value.actions, Principal = { Service = each.value.principal } }]
  })
}

resource "aws_iam_role_policy_attachment" "this" {
  for_each   = var.existing_cluster == null ? local.attachments : {}
  role       = aws_iam_role.this[each.value.role].name
  policy_arn = "arn:aws:iam::aws:policy/${each.value.policy}"
}

resource "aws_kms_key" "cluster" {
  count                   = var.existing_cluster == null ? 1 : 0
  description             = "Encrypts the Secrets of the cluster ${var.name}"
  enable_key_rotation     = true
  deletion_window_in_days = 30
}

resource "aws_eks_cluster" "this" {
  count                         = var.existing_cluster == null ? 1 : 0
  name                          = var.name
  role_arn                      = aws_iam_role.this["cluster"].arn
  version                       = var.kubernetes_version
  bootstrap_self_managed_addons = false
  enabled_cluster_log_types     = ["api", "audit", "authenticator"]

  access_config {
    authentication_mode                         = "API"
    bootstrap_cluster_creator_admin_permissions = true
  }

  compute_config {
    enabled       = true
    node_pools    = ["general-purpose", "system"]
    node_role_arn = aws_iam_role.this["node"].arn
  }

  kubernetes_network_config {
    elastic_load_balancing {
      enabled = true
    }
  }

  storage_config {
    block_storage {
      enabled = true
    }
  }

  # The API server is reachable from the VPC, and from the addresses that run Terraform.
  vpc_config {
    subnet_ids              = module.network[0].private_subnet_ids
    endpoint_private_access = true
    endpoint_public_access  = length(var.api_server_cidrs) > 0
    public_access_cidrs     = length(var.api_server_cidrs) > 0 ? var.api_server_cidrs : null
  }

  encryption_config {
    resources = ["secrets"]

    provider {
      key_arn = aws_kms_key.cluster[0].arn
    }
  }

  depends_on = [aws_iam_role_policy_attachment.this]
}

data "aws_eks_cluster" "this" {
  name = local.cluster_name
}

# The HorizontalPodAutoscaler reads the metrics of the pods from it.
resource "aws_eks_addon" "metrics_server" {
  count        = var.existing_cluster == null ? 1 : 0
  cluster_name = local.cluster_name
  addon_name   = "metrics-server"
}

# The controller of External Secrets may read one entry, by Pod Identity: no key and no annotation is needed.
resource "aws_iam_role" "external_secrets" {
  name_prefix = "${var.name}-secrets-"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = ["sts:AssumeRole", "sts:TagSession"]
      Principal = { Service = "pods.eks.amazonaws.com" }
    }]
  })
}

resource "aws_iam_role_policy" "external_secrets" {
  name = "read"
  role = aws_iam_role.external_secrets.name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow"
      Action   = ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"]
      Resource = local.secret_arn
    }]
  })
}

resource "aws_eks_pod_identity_association" "external_secrets" {
  cluster_name    = local.cluster_name
  namespace       = "external-secrets"
  service_account = "external-secrets"
  role_arn        = aws_iam_role.external_secrets.arn
}
