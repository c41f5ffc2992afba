"""The policy lab: a policy is tried on decisions whose truth is known, before it acts.

The rules are the ones that the agents follow (``app.domain``); broker, store and people are left out or
simulated. Nothing here reads a clock, a network or the environment.
"""
