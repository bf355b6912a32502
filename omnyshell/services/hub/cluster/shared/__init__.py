"""What hubs hold true together, and how it is signed, over an ordered stream."""
