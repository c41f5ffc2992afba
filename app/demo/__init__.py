"""The demo: the whole system on 2,380 real mortgage applications, embedded, with simulated reviewers."""
