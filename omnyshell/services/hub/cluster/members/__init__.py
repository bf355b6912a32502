"""The hubs of a cluster: their ids, keys and credentials, and the files that hold them."""
