"""Everything that lets Terrarium run without a cloud account: the engine, the embedded platform, stand-in plugins."""
