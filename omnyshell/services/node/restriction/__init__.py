"""A restricted node: rules for what may be run, which program a rule means, and what it is started with.

`policy` judges a request by rules, which come from tables of a file (`tables`) or from patterns (`pattern`). `program`
finds a rule's program where nobody else can have put it, `environment` is all that this gets, and `escapes` knows
programs that no rule contains.
"""
