"""Container images that an embedded platform brings along: made here, without a daemon and without a registry."""
