"""What a program can leave changed in a terminal beside what is on its screen: one table, and who goes by it."""
