"""Options: each declared once; parser, configuration file, checks, reload, documents and completion derive."""
