"""Side-by-side speed on Apache Kafka: ``python -m bench`` (or ``make bench``)."""
