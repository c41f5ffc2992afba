"""Metrics and logs: what the system says about itself."""
