"""Terminals in the console's window: what paints them, what is typed into them, and the sessions behind them."""
