# Plans without credentials and without network: all data that AWS would return is overridden. Not a mock_provider of
# AWS, which does not support ephemeral resources. Run: tofu test (or terraform test).

provider "aws" {
  region                      = "eu-central-1"
  access_key                  = "none"
  secret_key                  = "none"
  skip_credentials_validation = true
  skip_requesting_account_id  = true
  skip_metadata_api_check     = true
}

mock_provider "helm" {}

override_module {
  target  = module.network
  outputs = { vpc_id = "vpc-1", public_subnet_ids = ["subnet-3", "subnet-4"], private_subnet_ids = ["subnet-1", "subnet-2"] }
}

override_data {
  target = data.aws_eks_cluster.this
  values = {
    endpoint              = "https://eks.example.com"
    certificate_authority = [{ data = "" }]
    # OpenTofu requires all fields of an overridden object.
    vpc_config = [{
      cluster_security_group_id = "sg-1"
      endpoint_private_access   = true
      endpoint_public_access    = false
      public_access_cidrs       = []
      security_group_ids        = []
      subnet_ids                = ["subnet-1", "subnet-2"]
      vpc_id                    = "vpc-1"
    }]
  }
}

override_module {
  target  = module.certificate
  outputs = { arn = "arn:aws:acm:eu-central-1:123456789012:certificate/1" }
}

variables {
  region           = "eu-central-1"
  image            = "registry.example.com/pcf-api:1.0.0"
  operator_image   = { repository = "registry.example.com/pcf-operator", tag = "1.0.0" }
  domain_name      = "api.example.com"
  zone_id          = "Z0123456789EXAMPLE"
  database_ca_file = "tests/ca.pem"
  # The data stores are not planned: their passwords are requested from AWS during the plan.
  existing_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:pcf-api"
}

run "the_api_server_is_private_by_default" {
  command = plan

  assert {
    condition     = !aws_eks_cluster.this[0].vpc_config[0].endpoint_public_access
    error_message = "Without api_server_cidrs the API server must not have a public endpoint."
  }

  assert {
    condition     = strcontains(aws_iam_role_policy.external_secrets.policy, var.existing_secret_arn)
    error_message = "External Secrets may read one entry only."
  }
}

run "an_existing_cluster_is_not_created" {
  command = plan

  variables {
    existing_cluster = { name = "shared", vpc_id = "vpc-1", subnet_ids = ["subnet-1", "subnet-2"] }
  }

  assert {
    condition     = length(aws_eks_cluster.this) == 0 && length(module.network) == 0
    error_message = "With existing_cluster there must be no new cluster and no new network."
  }
}

run "a_public_api_server_is_rejected" {
  command = plan

  variables {
    api_server_cidrs = ["0.0.0.0/0"]
  }

  expect_failures = [var.api_server_cidrs]
}
