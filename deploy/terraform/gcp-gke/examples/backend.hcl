# State: the bucket has versioning and encryption; GCS locks it.
bucket = "example-terraform-state"
prefix = "pcf-api/gcp-gke"
