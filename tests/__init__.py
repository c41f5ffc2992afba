"""Tests, in the order of app/."""
