"""The five agents: scoring, routing, review_request, outcome, drift.

Each turns a batch of records into the records it causes. The interesting part of each is a pure
function of ``app.domain``; what is here reads, calls it, and names where the result goes.
"""

AGENTS = ("scoring", "routing", "review_request", "outcome", "drift")
"""Every agent of a worker; ``--agents`` names a part of them."""
