"""Token files in, an AWD-LSTM language model out."""
