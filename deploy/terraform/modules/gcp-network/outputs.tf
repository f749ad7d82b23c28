# Data stores and workloads wait for the connection to the network of Google.
output "network_id" {
  description = "ID of the VPC."
  value       = google_compute_network.this.id
  depends_on  = [google_service_networking_connection.this]
}

output "subnetwork_id" {
  description = "ID of the subnet."
  value       = google_compute_subnetwork.this.id
}
