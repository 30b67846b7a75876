# What provision.mjs makes the connection of. Nothing else is read.

output "host" {
  value = aws_db_instance.this.address
}

output "port" {
  value = aws_db_instance.this.port
}

output "admin_login" {
  value = aws_db_instance.this.username
}

output "admin_password" {
  value     = random_password.admin.result
  sensitive = true
}

output "instance" {
  value = aws_db_instance.this.identifier
}
