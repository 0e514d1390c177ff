"""Records -> rows, comparisons, text, pages and figures; nothing here needs torch or the data.

`tables` and `comparisons` compute what a table holds, `texts` and `wording` put it in words and figures, and `formats`,
`latex` and `html` are its forms. A column is a field of `tables.Row`, shown by
`texts` to people and by `formats` to programs; every metric of a record has one by itself.
"""
