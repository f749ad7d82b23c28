output "urls" {
  description = "HTTPS URLs of the services."
  value       = { for name, service in google_cloud_run_v2_service.this : name => service.uri }
}

output "repository" {
  description = "Artifact Registry repository to push the image to."
  value       = "${var.region}-docker.pkg.dev/${var.project}/${google_artifact_registry_repository.this.repository_id}"
}

output "canary_weight" {
  description = "Share of the traffic of the newest revision, in percent."
  value       = var.stable_revision == null ? 100 : var.canary_weight
}
