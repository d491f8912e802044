"""A stand-in for the official `pulumi-postgresql` provider: databases, schemas, roles and grants on a real server.

Same inputs, outputs, ids and imports for the types in `provider.KINDS`, on PostgreSQL 13 and newer. Not the same:
other inputs and settings are refused, passwords reach the server as SCRAM verifiers, and one changed by hand is found.
"""
