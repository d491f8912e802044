"""A stand-in for the official `pulumi-kubernetes` provider (v4, server-side apply), on any real API server.

Same inputs, outputs, identifiers, state layout, annotations (`pulumi.com/…`) and rules for what is replaced, so that a
stack can change between the two. Its readers: `kubeconfig` (who to talk to and how), `client` (requests, discovery),
`objects` (checks, names, what is stored), `diff` (what must be replaced), `apply` (who owns which field), `ready` (when
an object is up), `provider` (the protocol; `rehearsal.plugins.helm` adds one release to it and starts it).

Not here, and refused: Helm, Kustomize and YAML components, lists, Patch kinds, writing YAML files, client-side apply, a
cluster other than the context's. Not here: the package schema, proxies, awaiting an Ingress.
"""
