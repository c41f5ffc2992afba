"""The composition root: the only place that chooses real parts and puts them together."""
