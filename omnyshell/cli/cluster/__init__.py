"""Commands for several hubs that act as one."""
