"""The verbs of the ``hitl`` command, one module for each group."""
