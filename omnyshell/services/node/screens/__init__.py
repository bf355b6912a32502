"""What a shell's terminal shows, followed behind its output."""
