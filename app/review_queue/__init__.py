"""The Redis edge: reviews that wait for people, cases remembered, and the outbox to Kafka."""
