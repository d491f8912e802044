"""What people and CI call: the `terrarium` command, on Pulumi's Automation API."""
