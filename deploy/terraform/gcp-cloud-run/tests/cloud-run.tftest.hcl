# Plans with a mocked provider: no credentials and no network. hashicorp/random works offline. Run: tofu test (or terraform test).

mock_provider "google" {}

variables {
  project  = "example"
  region   = "europe-west3"
  image    = "europe-west3-docker.pkg.dev/example/pcf-api/pcf-api:1.1.0"
  revision = "v1-1-0"
}

run "without_a_stable_revision_all_traffic_reaches_the_newest" {
  command = plan

  assert {
    condition     = google_cloud_run_v2_service.this["serve"].traffic[*].percent == tolist([100])
    error_message = "The newest revision must get all of the traffic."
  }
}

run "the_traffic_is_split_by_revision" {
  command = plan

  variables {
    stable_revision = "v1-0-0"
    canary_weight   = 10
  }

  assert {
    condition     = google_cloud_run_v2_service.this["serve"].traffic[*].percent == tolist([90, 10])
    error_message = "The stable revision must get 90 %, the newest 10 %."
  }

  assert {
    condition     = google_cloud_run_v2_service.this["serve"].traffic[*].revision == tolist(["pcf-api-v1-0-0", "pcf-api-v1-1-0"])
    error_message = "The traffic must name both revisions."
  }

  assert {
    condition     = google_cloud_run_v2_service.this["worker"].ingress == "INGRESS_TRAFFIC_INTERNAL_ONLY"
    error_message = "The worker must not be public."
  }
}

run "an_image_without_a_version_is_rejected" {
  command = plan

  variables {
    image = "europe-west3-docker.pkg.dev/example/pcf-api/pcf-api:latest"
  }

  expect_failures = [var.image]
}
