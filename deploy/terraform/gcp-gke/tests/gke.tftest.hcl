# Plans with mocked providers: no credentials and no network. hashicorp/random works offline. Run: tofu test (or terraform test).

mock_provider "google" {}
mock_provider "helm" {}

variables {
  project        = "example"
  region         = "europe-west3"
  image          = "europe-west3-docker.pkg.dev/example/pcf-api/pcf-api:1.0.0"
  operator_image = { repository = "europe-west3-docker.pkg.dev/example/pcf-api/pcf-operator", tag = "1.0.0" }
  domain_name    = "api.example.com"
}

run "the_cluster_and_the_database_are_private_and_protected" {
  command = plan

  assert {
    condition     = google_container_cluster.this.deletion_protection && google_container_cluster.this.private_cluster_config[0].enable_private_nodes
    error_message = "The cluster must have private nodes and deletion protection."
  }
}

run "an_image_without_a_version_is_rejected" {
  command = plan

  variables {
    image = "europe-west3-docker.pkg.dev/example/pcf-api/pcf-api:latest"
  }

  expect_failures = [var.image]
}

run "development_is_rejected" {
  command = plan

  variables {
    environment = "development"
  }

  expect_failures = [var.environment]
}
