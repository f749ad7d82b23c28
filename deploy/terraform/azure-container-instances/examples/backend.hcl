# State: encrypted and locked by Azure Storage. It contains the access key of Redis, so restrict its readers.
resource_group_name  = "example-terraform"
storage_account_name = "exampleterraformstate"
container_name       = "state"
key                  = "pcf-api/azure-container-instances.tfstate"
use_azuread_auth     = true
