"""`terrarium policies`: what the rules are, what they say of a stack, and a page of it for security."""
