"""How the console looks: the terminal's depth of colours, the themes, and a palette of each for each depth."""
