"""Sessions that are left and taken up again and again, held against terminals that never left."""
