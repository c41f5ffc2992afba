"""What the same work costs without this project's worker."""
