"""The Kafka edge: codec, topics, transactions, dead letters, readers, the embedded broker."""
