"""What runs in a job's pod, around an unchanged command: inputs before it, log and outputs after it.

It imports what the client layer of an image has, and nothing that takes long: each job pays for it.
"""
