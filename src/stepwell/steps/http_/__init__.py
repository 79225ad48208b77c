"""What an HTTP step is made of, in the order a call walks through it.

`ask` reads the step's input, `request` builds what is sent, `guard` (with `address` and `allowed`) says where to,
`sender` sends it and follows redirects, `body` reads what comes back within its limits, `answer` turns it into
the output with the help of `xml` and `selectors`.
"""
