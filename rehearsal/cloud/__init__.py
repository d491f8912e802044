"""A rehearsal cloud: what an AWS or GCP account would answer, from tables and a SQLite file, without networking or IAM."""
