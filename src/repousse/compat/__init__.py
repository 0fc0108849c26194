"""Stand-ins for the interfaces of other renderers: change the import, keep the program.

>>> from repousse.compat import neural_renderer as nr

Every sub-package translates at its border: it speaks the conventions of the library it stands in for, not those of
`repousse`.
"""
