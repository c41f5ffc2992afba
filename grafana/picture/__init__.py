"""Pictures of the dashboards: a made-up month in a real Prometheus, drawn with Grafana's own components."""
