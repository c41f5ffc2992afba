"""The policy: a YAML file that says how decisions are routed, read, checked and compiled for the domain."""
