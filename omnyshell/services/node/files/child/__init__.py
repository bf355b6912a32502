"""The process of one transfer: SFTP on stdin and stdout, as the user that it is started as.

It is started by its path, for users who may read no more of the package than this, and imports nothing else of it.
It has no event loop: a request is dealt with before the next one is read, and what is written waits for its reader, so
that it holds one request and one answer, whatever its client does.
"""
