"""Characters: their widths in columns, and the character sets that a program can choose."""
