"""What rehearsed clouds rent out that is real: embedded platforms, and the commands by which people reach them."""
