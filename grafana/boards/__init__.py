"""The six dashboards, each a module of rows; what they have in common is in `grafana.board`."""
