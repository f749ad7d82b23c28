output "arn" {
  description = "Certificate, after its validation."
  value       = aws_acm_certificate_validation.this.certificate_arn
}
