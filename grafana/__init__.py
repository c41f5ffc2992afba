"""Dashboards as code (`generate`), and pictures of them without a Grafana server (`picture`)."""
