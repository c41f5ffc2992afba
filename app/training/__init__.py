"""Training sets on disk: read from the log, sorted in pieces, written as CSV or Parquet."""
