"""A real node: kubelet, containerd and a network whose policies are enforced, in Linux namespaces of their own."""
