"""What people write: YAML files, inheritance, frozen models; every problem found at once, with file, line and key."""
