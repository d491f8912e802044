"""When environments end, and when they sleep: decided by commands, so that the program knows no clock."""
