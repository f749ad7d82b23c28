terraform {
  required_version = ">= 1.11" # write-only arguments and ephemeral resources

  required_providers {
    azurerm = {
      source  = "hashicorp/azurerm"
      version = ">= 4.55, < 5.0"
    }
  }
}
