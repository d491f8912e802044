"""The Python client: what code in an environment, or a person's notebook, works with."""
