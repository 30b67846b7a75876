terraform {
  required_version = ">= 1.8"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.80"
    }
    random = {
      source  = "hashicorp/random"
      version = "~> 3.6"
    }
  }

  # The state holds the administrator's password. OpenTofu encrypts it with a key of the KMS; provision.mjs chooses the place of
  # the state for each tenant, and refuses to run without TF_ENCRYPTION unless it is told that the disk is encrypted.
}
