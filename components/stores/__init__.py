"""Data stores that speak S3 and PostgreSQL: what any cloud that has such services makes of them."""
