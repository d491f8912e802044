"""The Pulumi program: reads the settings, builds what the stack declares, exports the outputs."""
