output "cluster_name" {
  description = "Cluster: gcloud container clusters get-credentials <cluster_name> --dns-endpoint"
  value       = google_container_cluster.this.name
}

output "repository" {
  description = "Artifact Registry repository to push the images to."
  value       = "${var.region}-docker.pkg.dev/${var.project}/${google_artifact_registry_repository.this.repository_id}"
}

output "secret_id" {
  description = "Secret in Secret Manager."
  value       = google_secret_manager_secret.this.secret_id
}
