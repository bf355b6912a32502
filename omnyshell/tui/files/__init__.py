"""Files of this machine beside those of a node: two panes, and copies that go on behind other screens."""
