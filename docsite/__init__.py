"""The documentation site: pages that are written from code, and how they get into it."""
