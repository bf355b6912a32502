"""A hub and a node for this machine: `up`, `down`, and the processes behind them."""
