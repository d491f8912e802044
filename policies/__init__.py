"""Production rules: what they are, what approves exceptions, and the gates that hold them."""
