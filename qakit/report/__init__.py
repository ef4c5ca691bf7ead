"""Reports for people: error reports in HTML, pictures, tables of text.

In: results of `qakit.metrics` and the events of a training. Out: HTML, SVG, PNG and lines of text.
"""
