"""A restricted node: rules for what may be run, the program that a rule means, and its environment.

`policy` judges a request by rules, which come from tables of a file (`tables`) or from patterns (`pattern`). `program`
finds a rule's program, and refuses one that other users could have replaced. `environment` makes its environment,
`escapes` lists dangerous options, and `uncontained` lists programs that rules cannot restrict.
"""
