"""The console in a browser: `omnyshell-console --web`."""
