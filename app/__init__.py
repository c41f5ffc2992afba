"""hitl-stream: decisions that an AI may take, that people must take, and what both learn from it."""

__version__ = "0.1.0"
