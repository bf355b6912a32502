"""`omnyshell service`: hub and node as services that start with the machine."""
