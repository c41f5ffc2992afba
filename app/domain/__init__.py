"""Pure rules: what is decided, asked, recorded and learned. No I/O, no clock, no randomness."""
