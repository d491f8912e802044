"""A rehearsal cloud: answers as an AWS or GCP account would, from tables and SQLite; no networking, no IAM."""
