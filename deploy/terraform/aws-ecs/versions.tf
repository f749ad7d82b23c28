terraform {
  required_version = ">= 1.11" # write-only arguments and ephemeral resources

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100, < 7.0"
    }
  }

  # Its settings are in a file: init -backend-config=examples/backend.hcl
  backend "s3" {}
}

provider "aws" {
  region = var.region

  default_tags {
    tags = merge({ application = "pcf-api", managed-by = "terraform" }, var.tags)
  }
}
