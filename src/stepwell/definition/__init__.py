"""Text to checked. Pure: parses what users write, reports every problem at once, compiles templates.

Imports the model only. What comes out is a `Plan`: the definition, and the answers the engine needs of it.
"""
