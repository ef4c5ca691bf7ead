"""The commands as functions, one file a verb: a request and settings come in, a result and files go out.

Each wires the stages of the rooms below; tasks tell what differs between them.
"""
