"""The parts that a stack is built of: settings, planners, components, one package per cloud."""
