"""Models: in come settings, folders or hub names, and windows of tokens.

Out come models that are built, loaded, adapted, exported or saved, and their outputs for batches of windows.
"""
