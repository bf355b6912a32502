"""What all commands stand on: access to the hub, what is asked and printed, and the loop that they run on."""
