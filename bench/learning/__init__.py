"""Does learning keep its promise, and what does it reach? ``python -m bench.learning``."""
