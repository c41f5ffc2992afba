"""Faults and planned moves on a real deployment: what happens, which alert fires, what is lost."""
