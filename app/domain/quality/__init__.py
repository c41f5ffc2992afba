"""How well people decide, how much work there is, and how many people it takes: pure statistics."""
