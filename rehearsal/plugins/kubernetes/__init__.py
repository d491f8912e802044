"""A stand-in for the official `pulumi-kubernetes` provider (v4, server-side apply), on any real API server.

Same inputs, outputs, identifiers, state layout, annotations (`pulumi.com/…`) and rules for what is replaced, so that a
stack can change between the two. Its readers: `kubeconfig` (who to talk to and how), `client` (requests, discovery),
`objects` (checks, names, what is stored), `diff` (what changed, what must be replaced), `ready` (when an object is up),
`provider` (the protocol).

Not here: Helm, Kustomize and YAML components, `renderYamlToDirectory`, client-side apply, the package schema.
"""
