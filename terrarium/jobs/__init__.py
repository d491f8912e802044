"""Jobs: a script as it is, to the workers that fit it, and its results back."""
