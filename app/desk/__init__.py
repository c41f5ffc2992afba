"""The review desk: the one way in for everything that a person does."""
